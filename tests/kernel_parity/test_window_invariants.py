"""Over 10,240 keys: windows lie inside, hold tau, and depend on their key alone."""

from __future__ import annotations

import numpy as np
import pytest

from gca_dali_kernels.cpu.integrate_maps import integrate_maps
from gca_dali_kernels.cpu.sample_cutouts import sample_cutouts
from gca_dali_kernels.cpu.sample_windows import sample_windows
from gca_dali_kernels.law import UNITS_PER_CELL, CutoutLaw, WindowLaw
from kernel_cases import LAWS, SHAPES
from kernel_inputs import MAP_KINDS, make_maps

NUM_KEYS = 10_240
GRID = (12, 10)
CUTOUT_LAW = CutoutLaw(probability=0.8, num_redraws=30)


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    """Inputs of 10,240 samples: all kinds of maps, image shapes and far indices in turn."""
    maps = np.concatenate([make_maps(GRID, seed) for seed in range(16)])
    maps = maps[np.arange(NUM_KEYS) % len(maps)]
    integrals, marks = integrate_maps(maps)
    shapes = np.array(SHAPES, np.int32)[np.arange(NUM_KEYS) * 5 // 7 % len(SHAPES)]
    index = np.arange(NUM_KEYS, dtype=np.int64) * 400_009 % 2**32
    return {"integrals": integrals, "marks": marks, "index": index, "shapes": shapes}


def draw(batch, rows, law: WindowLaw, key=(42, 7), num_views=2, num_threads=1):
    """Return windows, turns, retained, grown and cutouts of some rows of the batch."""
    part = {name: values[rows] for name, values in batch.items()}
    drawn = sample_windows(
        part["integrals"],
        part["marks"],
        part["index"],
        part["shapes"],
        key,
        law,
        num_views,
        num_threads,
    )
    cutouts = sample_cutouts(
        part["integrals"],
        drawn[0],
        drawn[1],
        part["index"],
        part["shapes"],
        key,
        (law, CUTOUT_LAW),
        num_threads,
    )
    return (*drawn, cutouts)


def assert_same(first, second, rows: slice | np.ndarray = slice(None)) -> None:
    """Fail unless `second` equals these rows of `first` to the bit."""
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one[rows], other, strict=True)


@pytest.mark.parametrize("name", LAWS)
def test_inside_and_at_least_tau(batch, name: str):
    law = LAWS[name]
    windows, turns, retained, grown, cutouts = draw(batch, slice(None), law)
    height, width = GRID[0] * UNITS_PER_CELL, GRID[1] * UNITS_PER_CELL
    assert (windows >= 0).all()
    assert (windows[..., 2] <= height).all() and (windows[..., 3] <= width).all()
    assert (windows[..., 2:] > windows[..., :2]).all()
    assert (retained >= law.tau).all() and (retained <= 1.0).all()
    # What had to grow is upright: no rotation was found to hold tau.
    assert (turns[grown][:, 0] == -1).all()
    empty = np.arange(NUM_KEYS) % len(MAP_KINDS) == MAP_KINDS.index("zero")
    assert (retained[empty] == 1.0).all() and not grown[empty].any()
    assert (cutouts >= 0).all() and (cutouts <= 65536).all()
    assert (cutouts[..., 2:] >= cutouts[..., :2]).all()


def test_small_windows_grow_on_far_spots(batch):
    """The cases above do reach the search and the growth."""
    *_, retained, grown, _ = draw(batch, slice(None), LAWS["size_first_small"])
    far = np.arange(NUM_KEYS) % len(MAP_KINDS) == MAP_KINDS.index("opposite_corners")
    assert grown[far].all()
    one = np.arange(NUM_KEYS) % len(MAP_KINDS) == MAP_KINDS.index("one_hot")
    assert not grown[one].all()
    assert (retained[one] >= 0.9).all()


@pytest.mark.parametrize("name", ["size_first", "rejection", "turned_sometimes"])
def test_same_key_same_window(batch, name: str):
    """In any batch, order, thread count and number of views."""
    law = LAWS[name]
    whole = draw(batch, slice(None), law)
    for num_threads in (0, 2, 5):
        assert_same(whole, draw(batch, slice(None), law, num_threads=num_threads))
    rng = np.random.default_rng(1)
    order = rng.permutation(NUM_KEYS)
    assert_same(whole, draw(batch, order, law, num_threads=3), order)
    for batch_size in (7, 64, 1000):
        for first in range(0, NUM_KEYS, batch_size):
            rows = slice(first, first + batch_size)
            assert_same(whole, draw(batch, rows, law), rows)
    for row in rng.choice(NUM_KEYS, 300, replace=False):
        rows = slice(row, row + 1)
        assert_same(whole, draw(batch, rows, law, num_threads=2), rows)
    # A rank of three and the rest of an epoch after a resume.
    for rows in (slice(1, None, 3), slice(NUM_KEYS // 2 + 3, None)):
        assert_same(whole, draw(batch, rows, law), rows)
    more = draw(batch, slice(None), law, num_views=3)
    assert_same([values[:, :2] for values in more], whole)


def test_each_part_of_the_key_changes_windows(batch):
    rows = slice(0, 400)
    law = LAWS["uniform"]
    windows = draw(batch, rows, law)[0]
    for key in ((43, 7), (42, 8), (42 + 2**32, 7)):
        other = draw(batch, rows, law, key=key)[0]
        assert (windows == other).all(axis=-1).mean() < 0.01
    assert (windows[:, 0] == windows[:, 1]).all(axis=-1).mean() < 0.01
