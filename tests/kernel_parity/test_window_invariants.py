"""Over 10,240 keys: windows lie inside, hold tau, and depend on their key alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gca_dali_kernels.cpu.integrate_maps import integrate_maps
from gca_dali_kernels.cpu.sample_cutouts import sample_cutouts
from gca_dali_kernels.cpu.sample_windows import sample_windows
from gca_dali_kernels.law import UNITS_PER_CELL, CutoutLaw, GroupLaw, ViewLaws
from kernel_cases import GROUPS, LAWS, SHAPES
from kernel_inputs import MAP_KINDS, make_maps

NUM_KEYS = 10_240
GRID = (12, 10)
CUTOUT_LAW = CutoutLaw(probability=0.8, num_redraws=30)


def laws_of(name: str, num_views: int = 2) -> ViewLaws:
    """Return a named law for a group of views, with a cutout."""
    return ViewLaws.one(LAWS[name], num_views, CUTOUT_LAW)


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    """Inputs of 10,240 samples: all kinds of maps, image shapes and far indices in turn."""
    maps = np.concatenate([make_maps(GRID, seed) for seed in range(16)])
    maps = maps[np.arange(NUM_KEYS) % len(maps)]
    integrals, marks = integrate_maps(maps)
    shapes = np.array(SHAPES, np.int32)[np.arange(NUM_KEYS) * 5 // 7 % len(SHAPES)]
    index = np.arange(NUM_KEYS, dtype=np.int64) * 400_009 % 2**32
    return {"integrals": integrals, "marks": marks, "index": index, "shapes": shapes}


def draw(batch, rows, laws: ViewLaws, key=(42, 7), num_threads=1):
    """Return windows, turns, retained, grown, focus and cutouts of some rows of the batch."""
    part = {name: values[rows] for name, values in batch.items()}
    drawn = sample_windows(
        part["integrals"],
        part["marks"],
        part["index"],
        part["shapes"],
        key,
        laws,
        num_threads,
    )
    cutouts = sample_cutouts(
        part["integrals"],
        drawn[0],
        drawn[1],
        part["index"],
        part["shapes"],
        key,
        laws,
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
    windows, turns, retained, grown, _, cutouts = draw(batch, slice(None), laws_of(name))
    height, width = GRID[0] * UNITS_PER_CELL, GRID[1] * UNITS_PER_CELL
    assert (windows >= 0).all()
    assert (windows[..., 2] <= height).all() and (windows[..., 3] <= width).all()
    assert (windows[..., 2:] > windows[..., :2]).all()
    assert (retained >= law.tau).all() and (retained <= 1.0).all()
    assert not grown.any() or law.law in ("hold", "rejection")
    # What had to grow is upright: no rotation was found to hold tau.
    assert (turns[grown][:, 0] == -1).all()
    empty = np.arange(NUM_KEYS) % len(MAP_KINDS) == MAP_KINDS.index("zero")
    assert (retained[empty] == 1.0).all() and not grown[empty].any()
    assert (cutouts >= 0).all() and (cutouts <= 65536).all()
    assert (cutouts[..., 2:] >= cutouts[..., :2]).all()


def test_small_windows_grow_on_far_spots(batch):
    """The cases above do reach the search and the growth."""
    _, _, retained, grown, *_ = draw(batch, slice(None), laws_of("hold_small"))
    far = np.arange(NUM_KEYS) % len(MAP_KINDS) == MAP_KINDS.index("opposite_corners")
    assert grown[far].all()
    one = np.arange(NUM_KEYS) % len(MAP_KINDS) == MAP_KINDS.index("one_hot")
    assert not grown[one].all()
    assert (retained[one] >= 0.9).all()


@pytest.mark.parametrize("name", ["hold", "rejection", "turned_sometimes", "relative_focus_apart"])
def test_same_key_same_window(batch, name: str):
    """In any batch, order, thread count and number of views."""
    law = laws_of(name)
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
    *more, focus, cutouts = draw(batch, slice(None), laws_of(name, 3))
    cut = [values[:, :2] for values in (*more, cutouts)]
    assert_same([*cut[:4], focus, cut[4]], whole)


def test_each_part_of_the_key_changes_windows(batch):
    rows = slice(0, 400)
    law = laws_of("free")
    windows = draw(batch, rows, law)[0]
    for key in ((43, 7), (42, 8), (42 + 2**32, 7)):
        other = draw(batch, rows, law, key=key)[0]
        assert (windows == other).all(axis=-1).mean() < 0.01
    assert (windows[:, 0] == windows[:, 1]).all(axis=-1).mean() < 0.01


@pytest.mark.parametrize("name", [name for name in LAWS if LAWS[name].focus])
def test_upright_windows_with_focus_contain_their_point(batch, name: str):
    windows, turns, _, _, focus, _ = draw(batch, slice(None), laws_of(name))
    empty = np.arange(NUM_KEYS) % len(MAP_KINDS) == MAP_KINDS.index("zero")
    assert (focus[empty] == -1).all() and (focus[~empty] >= 0).all()
    point = focus[~empty][:, None]
    low, high = windows[~empty][..., :2], windows[~empty][..., 2:]
    inside = np.logical_and(low <= point, point < high).all(axis=-1)
    assert np.where(turns[~empty][..., 0] == -1, inside, True).all()
    # The point itself lies on saliency.
    maps = np.concatenate([make_maps(GRID, seed) for seed in range(16)])
    cells = focus[~empty] // UNITS_PER_CELL
    rows = (np.arange(NUM_KEYS) % len(maps))[~empty]
    assert (maps[rows, cells[:, 0], cells[:, 1]] > 0).all()


def test_windows_of_a_group_lie_apart(batch):
    """No overlap above max_iou where one can be avoided; the first view is as without."""
    law = replace(LAWS["free_apart"], size_range=(0.05, 0.4))
    laws = ViewLaws.one(law, 3, CUTOUT_LAW)
    windows = draw(batch, slice(None), laws)[0].astype(np.int64)
    free = ViewLaws.one(replace(law, max_iou=1.0), 3, CUTOUT_LAW)
    plain = draw(batch, slice(None), free)[0].astype(np.int64)
    np.testing.assert_array_equal(windows[:, 0], plain[:, 0])
    assert (greatest_iou(windows) <= 0.3).mean() > 0.97
    assert (greatest_iou(plain) <= 0.3).mean() < 0.5
    # What overlaps little was left as it was drawn.
    kept = greatest_iou(plain) < 0.2999  # the kernel rounds in 1/65536
    np.testing.assert_array_equal(windows[kept], plain[kept])


def greatest_iou(windows: np.ndarray) -> np.ndarray:
    """Return the greatest intersection over union of two windows of an image, [B]."""
    most = np.zeros(len(windows))
    for a in range(windows.shape[1]):
        for b in range(a):
            low = np.maximum(windows[:, a, :2], windows[:, b, :2])
            high = np.minimum(windows[:, a, 2:], windows[:, b, 2:])
            common = np.maximum(high - low, 0).prod(axis=-1)
            areas = [np.prod(windows[:, v, 2:] - windows[:, v, :2], axis=-1) for v in (a, b)]
            most = np.maximum(most, common / (areas[0] + areas[1] - common))
    return most


@pytest.mark.parametrize("name", GROUPS)
def test_groups_leave_those_before_as_they_were(batch, name: str):
    laws = GROUPS[name]
    whole = draw(batch, slice(None), laws)
    first = draw(batch, slice(None), ViewLaws(laws.groups[:1]))
    part = laws.slices[0]
    for drawn, alone in zip((*whole[:4], whole[5]), (*first[:4], first[5]), strict=True):
        np.testing.assert_array_equal(drawn[:, part], alone)
    # Another law before changes neither the point nor the windows behind it.
    other = draw(batch, slice(None), ViewLaws((GroupLaw(LAWS["hold"], 2), *laws.groups[1:])))
    if laws.groups[0].num_views == 2:
        np.testing.assert_array_equal(other[0][:, 2:], whole[0][:, 2:])
        np.testing.assert_array_equal(other[4], whole[4])
