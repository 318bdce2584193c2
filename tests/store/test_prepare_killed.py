"""Killed at 30 random moments while a store is prepared, and at 30 while one trains from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import killed_runs
from gca_dali import Manifest
from gca_dali.prepare.files import replace_whole
from gca_dali.prepare.run import Share, StoreOptions, prepare_store
from gca_dali.prepare.verify import verify_store

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


def test_what_dead_processes_left_goes_at_the_next_start_and_what_lives_stays(phantoms, tmp_path):
    rows = Manifest.from_csv(phantoms / "labels.csv").take(range(4))
    store, options = tmp_path / "store", StoreOptions(32, "png16", samples_per_shard=2)
    rank = prepare_store(rows, store, options, share=Share(0, 2, 1))
    assert rank.about is None
    program = (
        "import os, sys; from pathlib import Path\n"
        "from gca_dali.prepare.files import replace_whole\n"
        "with replace_whole(Path(sys.argv[1])) as file: file.write(b'half'); os._exit(9)"
    )
    command = [sys.executable, "-c", program, str(store / "shard-000001.tar")]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}"}
    for _ in range(2):
        assert subprocess.run(command, env=environment, check=False).returncode == 9
    dead = set(store.glob(".partial-*"))
    assert len(dead) == 2
    with replace_whole(store / "shard-000001.tar") as file:
        [living] = set(store.glob(".partial-*")) - dead
        prepare_store(rows, store, options, share=Share(0, 2, 1))
        assert set(store.glob(".partial-*")) == {living}
        done = prepare_store(rows, store, options, share=Share(1, 2, 1))
        assert done.about is not None and living.exists()
        file.write((store / "shard-000001.tar").read_bytes())
    assert not list(store.glob(".partial-*"))
    assert verify_store(store) == []
