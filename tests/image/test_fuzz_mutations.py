"""Over 20,000 broken files of all formats: no crash, no hang, no blow-up, always a named refusal.

``python -m benchmarks.fuzz --num-files N`` searches longer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.fuzz import mutate, run_fuzz
from benchmarks.fuzz_seeds import make_seeds
from gca_dali.image import untrusted_process

ROOT = Path(__file__).resolve().parents[2]
NUM_FILES = {"jpeg": 5000, "png": 4500, "tiff": 5000, "dicom": 6000}


def run_in_own_process(num_files: int, format: str) -> SimpleNamespace:
    """Fuzz in a fresh process: peak memory is that of all its children, and of no other test's."""
    code = (
        "import dataclasses, json; from benchmarks.fuzz import run_fuzz; "
        f"print(json.dumps(dataclasses.asdict(run_fuzz({num_files}, formats=({format!r},)))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return SimpleNamespace(**json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
@pytest.mark.parametrize("format", NUM_FILES)
def test_broken_files_are_refused_by_name(format):
    result = run_in_own_process(NUM_FILES[format], format)
    assert result.num_files == NUM_FILES[format]
    assert not result.failures
    assert not result.crashes
    assert result.num_read + result.num_refused == result.num_files
    # Both happen often, or the mutations are too weak or too strong to show anything.
    assert min(result.num_read, result.num_refused) > result.num_files // 20
    assert result.peak_mebibytes < 700


def test_a_crash_would_be_counted(monkeypatch):
    die = "import sys, os; sys.stdin.buffer.read(4); os.abort()"
    monkeypatch.setattr(untrusted_process, "_BOOT", die)
    result = run_fuzz(6, formats=("png",))
    assert result.num_bad == sum(result.crashes.values()) == 6
    assert all("SIGABRT" in cause for cause in result.crashes)
    # As a child of the tests, and the command, hand it on.
    assert json.loads(json.dumps(asdict(result)))["crashes"] == result.crashes


def test_every_seed_is_broken_in_many_ways():
    seeds = make_seeds()
    for name, data in seeds.items():
        random = np.random.default_rng(0)
        broken = {mutate(data, random, seeds["png-grey8"]) for _ in range(50)}
        assert len(broken) > 40, name
        assert data not in broken or len(broken) > 45, name
