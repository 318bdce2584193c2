"""The file of predicted maps: a map is whole or absent, whoever wrote, whoever was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gca_dali.gaze.map_cache import RECORD, MapCache
from gca_dali_kernels.kept import cache_folder

NUM_ROWS = 5
ROWS, STAMPS = np.array([1, 3]), np.array([11, 33])
ALL = np.arange(NUM_ROWS)


def draw_maps(seed: int, num: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num, 64, 64)).astype(np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "table.npy"


@pytest.fixture
def filled(path: Path) -> MapCache:
    cache = MapCache.open(path, NUM_ROWS)
    cache.add(ROWS, draw_maps(0), STAMPS)
    return cache


def spoil(path: Path, row: int, place: int, data: bytes) -> None:
    """Overwrite bytes of a record."""
    first = path.stat().st_size - (NUM_ROWS - row) * RECORD.itemsize
    with path.open("r+b") as file:
        file.seek(first + place)
        file.write(data)


def test_maps_that_were_added_are_there_and_no_others(filled, path):
    assert filled.find(ROWS, STAMPS).all()
    assert filled.find(ALL, np.array([0, 11, 0, 33, 0])).tolist() == [0, 1, 0, 1, 0]
    again = MapCache.open(path, NUM_ROWS)
    assert again.find(ROWS, STAMPS).all()
    np.testing.assert_array_equal(again.maps[ROWS], draw_maps(0))


def test_a_map_of_an_image_that_has_changed_is_stale_and_replaced(filled):
    later = np.array([11, 34])
    assert filled.find(ROWS, later).tolist() == [True, False]
    filled.add(ROWS, draw_maps(1), later)
    np.testing.assert_array_equal(filled.maps[ROWS], [draw_maps(0)[0], draw_maps(1)[1]])


def test_the_first_map_of_a_row_stays_for_all(filled, path):
    other = MapCache.open(path, NUM_ROWS)
    other.add(ROWS, draw_maps(1), STAMPS)
    for cache in (filled, other):
        np.testing.assert_array_equal(cache.maps[ROWS], draw_maps(0))


@pytest.mark.parametrize(
    ("place", "data"),
    [
        (0, b"\x00" * 2048 + b"\x01"),
        (4095, b"\x00\x01"),
        (2000, bytes(range(96))),
        (4096, b"\x0c"),
        (4104, b"\x00\x00\x00\x00"),
        (4104, b"\x01\x02\x03\x04"),
        (0, bytes(4108)),
    ],
    ids=["half", "tail", "middle", "stamp", "no check", "other check", "zeros"],
)
def test_a_torn_map_is_absent_and_written_anew(filled, path, place, data):
    spoil(path, 1, place, data)
    assert filled.find(ROWS, STAMPS).tolist() == [False, True]
    filled.add(ROWS, draw_maps(2), STAMPS)
    assert filled.find(ROWS, STAMPS).all()
    np.testing.assert_array_equal(filled.maps[ROWS], [draw_maps(2)[0], draw_maps(0)[1]])


def test_a_record_of_zeros_is_no_map(path):
    cache = MapCache.open(path, NUM_ROWS)
    assert not cache.find(ALL, np.zeros(NUM_ROWS, np.int64)).any()
    cache.add(ALL[:1], np.zeros((1, 64, 64), np.uint8), np.zeros(1, np.int64))
    assert cache.find(ALL, np.zeros(NUM_ROWS, np.int64)).tolist() == [1, 0, 0, 0, 0]


def test_a_file_that_was_left_half_made_is_completed(filled, path):
    whole = path.read_bytes()
    for size in (0, 7, 64, 128, 300, len(whole) - 1):
        path.write_bytes(whole[:size])
        cache = MapCache.open(path, NUM_ROWS)
        assert path.stat().st_size == len(whole)
        cache.add(ROWS, draw_maps(0), STAMPS)
        assert path.read_bytes() == whole


def test_anybody_can_read_the_file_without_this_package(filled, path):
    records = np.load(path, allow_pickle=False, mmap_mode="r")
    np.testing.assert_array_equal(records["map"][ROWS], draw_maps(0))


def test_what_one_process_adds_the_other_has(filled, path):
    program = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from gca_dali.gaze.map_cache import MapCache\n"
        f"cache = MapCache.open(Path(sys.argv[1]), {NUM_ROWS})\n"
        "assert cache.find(np.array([1]), np.array([11])).all()\n"
        "cache.add(np.array([4]), np.full((1, 64, 64), 9, np.uint8), np.array([44]))"
    )
    subprocess.run([sys.executable, "-c", program, path], check=True, env=dict(os.environ))
    assert filled.find(np.array([4]), np.array([44])).all() and filled.maps[4].min() == 9


def test_a_temporary_cache_is_of_no_file():
    cache = MapCache.temporary(NUM_ROWS)
    cache.add(ROWS, draw_maps(0), STAMPS)
    np.testing.assert_array_equal(cache.maps[ROWS], draw_maps(0))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeError, match=r"folder that can be written, got .*GCA_DALI_CACHE"):
        MapCache.open(tmp_path / "file" / "table.npy", NUM_ROWS)


def test_a_full_disk_is_an_error_and_no_map(path):
    """The file may not grow beyond its length, as on a full disk; a write there must not kill."""
    program = (
        "import resource, signal, sys, numpy as np; from pathlib import Path\n"
        "from gca_dali.gaze.map_cache import RECORD, MapCache\n"
        "cache = MapCache.open(Path(sys.argv[1]), 2)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))\n"
        "rows, maps = np.arange(2), np.full((2, 64, 64), 5, np.uint8)\n"
        "try:\n"
        "    cache.add(rows, maps, rows)\n"
        "except OSError:\n"
        "    print(cache.find(rows, rows).tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[True, False]"


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"GCA_DALI_CACHE": "/a"}, "/a/saliency"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/gca_dali/saliency"),
        ({"HOME": "/c"}, "/c/.cache/gca_dali/saliency"),
    ],
)
def test_where_the_cache_lies(monkeypatch, variables, folder):
    for name in ("GCA_DALI_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder("saliency") == Path(folder)
