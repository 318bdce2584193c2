"""A cold start: two processes compile, one line says so after a second, the doctor knows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gca_dali_kernels.cpu import ahead, compiled

# Every part of a first batch is compiled, so this is the one test that takes that long.
COLD = """
import logging, sys, time
logging.basicConfig(level=logging.WARNING, format="%(message)s")
import numpy as np
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.steps.views import make_views
from gca_dali.steps.windows import plan_views
from gca_dali_kernels.cpu import ahead, resample_views
before = ahead.find_kernels()
ahead.compile_ahead("uint8")
started = len(ahead._running)
ahead.compile_ahead("uint8")
assert len(ahead._running) == started
index, policy = np.arange(1), ViewPolicy.gca(size=32)
image, maps = np.zeros((90, 70), np.uint8), np.ones((1, 16, 16), np.uint8)
plan = plan_views(maps, index, np.array([image.shape], np.int32), (0, 0), policy)
make_views([image], np.array([[0, 255]], np.float32), plan, index, (0, 0), policy, 1)
stats = resample_views.resample_views.stats
print(sorted(before.values()), started, sorted(ahead.find_kernels().values()))
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), ahead._running)
"""


def _run(folder: Path) -> tuple[list[str], str]:
    done = subprocess.run(
        [sys.executable, "-c", COLD],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    return done.stdout.splitlines(), done.stderr


def test_a_cold_start_compiles_in_two_processes_and_says_so_once(tmp_path: Path) -> None:
    said, told = _run(tmp_path)
    # The kernel of the images was made by the other process: here it was only read.
    assert said == [f"{[False] * 5} 1 {[True] * 5}", "1 0 []"]
    (line,) = told.splitlines()
    assert line.startswith("the CPU's kernels are being compiled") and str(tmp_path) in line
    assert _run(tmp_path) == ([f"{[True] * 5} 0 {[True] * 5}", "1 0 []"], "")


def test_a_second_process_that_fails_leaves_the_work_to_this_one(monkeypatch) -> None:
    broken = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
    monkeypatch.setattr(ahead, "_running", [broken])
    done: list[bool] = []
    ahead.wait(meanwhile=lambda: done.append(True))
    assert ahead._running == [] and broken.returncode == 1 and done == [True]
    ahead.wait(meanwhile=lambda: done.append(True))
    assert done == [True]


def test_a_process_that_cannot_be_started_is_no_error(monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(ahead, "is_kept", lambda _: False)
    monkeypatch.setattr(ahead, "_running", [])  # what tests before this one began
    monkeypatch.setattr(subprocess, "Popen", refuse)
    ahead.compile_ahead("uint8")
    assert ahead._running == []


@pytest.mark.parametrize(("said", "num_lines"), [([], 1), (["read-only"], 0)])
def test_the_line_comes_after_a_second_and_not_beside_that_of_a_folder(
    monkeypatch, caplog, said, num_lines
) -> None:
    monkeypatch.setattr(compiled, "_said", said)
    monkeypatch.setattr(compiled, "_said_compiling", [])
    with compiled.told_after_a_second():
        pass
    time.sleep(1.2)
    assert not caplog.records
    for _ in range(2):
        with compiled.told_after_a_second():
            time.sleep(1.2)
    assert len(caplog.records) == num_lines


ONE_KERNEL = """
import numpy as np
from gca_dali_kernels.cpu.integrate_maps import integrate_maps, integrate_part
from gca_dali_kernels.cpu.ahead import is_kept
print(is_kept(integrate_part))
integrate_maps(np.ones((1, 8, 8), np.uint8))
print(is_kept(integrate_part))
"""


def test_what_another_processor_compiled_is_not_kept_for_this_one(tmp_path: Path) -> None:
    """Played by compiling for any processor first; then each finds its own."""
    any_processor = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    found = []
    for named in (any_processor, any_processor, {}, {}):
        done = subprocess.run(
            [sys.executable, "-c", ONE_KERNEL],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)} | named,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(done.stdout.split())
    assert found == [["False", "True"], ["True", "True"]] * 2


def test_the_doctor_tells_what_is_compiled() -> None:
    from gca_dali.cli.doctor import _tell_kernels
    from gca_dali.report.doctor import find_kept_kernels

    found = json.loads(json.dumps(find_kept_kernels()))
    assert set(found) == {"folder", "compiled"} and len(found["compiled"]) == 5
    kept = {"a": True, "b": False}
    assert _tell_kernels({"folder": "f", "compiled": kept}).startswith("1 of 2 compiled")
    assert _tell_kernels({"folder": "f", "compiled": {"a": True}}) == "compiled, in f"
    assert "each run anew" in _tell_kernels({"folder": None, "compiled": kept})
