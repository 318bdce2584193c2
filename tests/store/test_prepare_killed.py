"""Killed at 30 random moments while a store is prepared, and at 30 while one trains from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import killed_runs

ROOT = Path(__file__).resolve().parents[2]
NUM_PREPARE_KILLS, NUM_TRAIN_KILLS = 30, 30


def run_killed(*arguments: object) -> dict:
    paths = (ROOT, ROOT / "kernels", ROOT / "tests")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "killed_runs.py"), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def whole(phantoms, tmp_path_factory) -> Path:
    """A store that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "store"
    killed_runs.prepare(str(phantoms / "labels.csv"), str(folder))
    return folder


@pytest.mark.slow
def test_killed_and_resumed_stores_are_the_same_to_the_byte(phantoms, whole, tmp_path):
    told = run_killed("prepare", phantoms / "labels.csv", tmp_path / "store", NUM_PREPARE_KILLS, 1)
    assert told["whole"] and told["killed"] == NUM_PREPARE_KILLS
    for folder in map(Path, told["ended"]):
        first, second = ({p.name: p.read_bytes() for p in f.iterdir()} for f in (whole, folder))
        assert first == second


@pytest.mark.slow
def test_training_from_a_store_that_is_killed_loses_and_doubles_nothing(whole, tmp_path):
    killed_runs.train(str(whole), str(tmp_path / "expected"))
    expected = json.loads((tmp_path / "expected").read_text())["seen"]
    assert sorted(index for index, *_ in expected) == list(range(28))
    told = run_killed("train", whole, tmp_path / "killed", NUM_TRAIN_KILLS, 2.5)
    assert told["whole"] and told["killed"] == NUM_TRAIN_KILLS
    for state in told["ended"]:
        assert json.loads(Path(state).read_text())["seen"] == expected
