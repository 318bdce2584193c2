"""`relative` and the shared focus against plain definitions of them, by chi-square."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ops.plain_windows import integrate_map, mass_in
from gca_dali_kernels.cpu.integrate_maps import integrate_maps
from gca_dali_kernels.cpu.sample_windows import sample_windows
from gca_dali_kernels.law import UNITS_PER_CELL, ViewLaws, WindowLaw
from law_statistics import LEAST_P, draw_windows, one_sample_p, two_sample_p, two_spots

SHAPE = (300, 400)
SIDE = 0.4
NUM_PLAIN, NUM_OURS = 40_000, 40_000
NUM_BINS = 10


def bins_of(places: np.ndarray, side: float = SIDE) -> np.ndarray:
    """Return the bin of each place (y0, x0 in shares of the sides)."""
    bins = np.minimum((places / (1 - side) * NUM_BINS).astype(int), NUM_BINS - 1)
    return bins[:, 0] * NUM_BINS + bins[:, 1]


def plain_relative(saliency, rho, weight, num_candidates, rng, low=None, high=None):
    """Draw places as the law reads: candidates, the most that any holds, the first that will do."""
    integral = integrate_map(saliency)
    low = np.zeros(2) if low is None else low
    high = np.full(2, 1 - SIDE) if high is None else high
    places = rng.uniform(low, high, (num_candidates, 2))
    masses = np.array([mass_in(integral, (y, x, y + SIDE, x + SIDE)) for y, x in places])
    most = masses.max()
    accepted = masses >= rho * most
    for _ in range(weight):
        accepted &= rng.random(num_candidates) * most <= masses
    # The heaviest is always accepted.
    accepted[masses.argmax()] = True
    return places[np.argmax(accepted)]


@pytest.mark.parametrize(
    ("rho", "weight", "num_candidates"), [(0.9, 0, 12), (0.5, 0, 6), (0.0, 1, 8), (0.4, 2, 8)]
)
def test_relative(rho: float, weight: int, num_candidates: int):
    saliency = two_spots()
    law = WindowLaw(
        law="relative",
        size="zoom",
        size_range=(1 / SIDE, 1 / SIDE),
        rho=rho,
        weight=weight,
        num_candidates=num_candidates,
    )
    windows, _, _, grown = draw_windows(saliency, SHAPE, law, NUM_OURS)
    assert not grown.any()
    rng = np.random.default_rng(3)
    plain = np.array(
        [plain_relative(saliency, rho, weight, num_candidates, rng) for _ in range(NUM_PLAIN // 2)]
    )
    assert two_sample_p(bins_of(plain), bins_of(windows[:, :2])) > LEAST_P
    # Another rho or weight is told from it.
    other = np.array(
        [
            plain_relative(saliency, 0.7 if rho != 0.4 else 0.4, 1 - min(weight, 1), 8, rng)
            for _ in range(NUM_PLAIN // 4)
        ]
    )
    assert two_sample_p(bins_of(other), bins_of(windows[:, :2])) < 1e-6


def focus_of(saliency: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Return the attended points of many sample indices in units, int32, [count, 2]."""
    integrals, marks = integrate_maps(saliency[None])
    return sample_windows(
        np.broadcast_to(integrals, (count, *integrals.shape[1:])),
        np.broadcast_to(marks, (count, 5)),
        np.arange(count),
        np.broadcast_to(np.array(SHAPE, np.int32), (count, 2)),
        (seed, 0),
        ViewLaws.one(WindowLaw(law="free", focus=True), 1),
    )[4]


def test_the_point_follows_the_saliency():
    saliency = two_spots()
    points = focus_of(saliency, 200_000)
    cells = points // UNITS_PER_CELL
    counts = np.bincount(cells[:, 0] * saliency.shape[1] + cells[:, 1], minlength=saliency.size)
    assert one_sample_p(counts, saliency.astype(float).ravel()) > LEAST_P
    # Uniform inside a cell, along both axes.
    for axis in (0, 1):
        inside = np.bincount(points[:, axis] % UNITS_PER_CELL // 8, minlength=32)
        assert one_sample_p(inside, np.ones(32)) > LEAST_P


def test_places_around_a_point_are_uniform():
    """One attended cell: places are uniform where the inner 80 % of the window holds the point."""
    saliency = np.zeros((16, 12), np.uint8)
    saliency[7, 5] = 9
    law = WindowLaw(law="free", size="zoom", size_range=(1 / SIDE, 1 / SIDE), focus=True)
    windows, *_ = draw_windows(saliency, SHAPE, law, NUM_OURS)
    points = focus_of(saliency, NUM_OURS) / (np.array(saliency.shape) * UNITS_PER_CELL)
    # From the window's edge to the point, in shares of what the inner 80 % allows.
    share = ((points - windows[:, :2]) / SIDE - 0.1) / 0.8
    assert share.min() > -0.01 and share.max() < 1.01
    for axis in (0, 1):
        counts = np.bincount(np.clip(share[:, axis] * 20, 0, 19).astype(int), minlength=20)
        assert one_sample_p(counts, np.ones(20)) > LEAST_P


def test_relative_with_focus():
    """The candidates are those around the point; their law is that of `relative`."""
    saliency = two_spots()
    law = WindowLaw(
        law="relative",
        size="zoom",
        size_range=(1 / SIDE, 1 / SIDE),
        rho=0.8,
        num_candidates=6,
        focus=True,
    )
    windows, *_ = draw_windows(saliency, SHAPE, law, NUM_PLAIN)
    points = focus_of(saliency, NUM_PLAIN, seed=5)
    points = points / (np.array(saliency.shape) * UNITS_PER_CELL)
    rng = np.random.default_rng(4)
    plain = np.array(
        [
            plain_relative(
                saliency,
                0.8,
                0,
                6,
                rng,
                np.clip(point - 0.9 * SIDE, 0, 1 - SIDE),
                np.clip(point - 0.1 * SIDE, 0, 1 - SIDE),
            )
            for point in points
        ]
    )
    assert two_sample_p(bins_of(plain), bins_of(windows[:, :2])) > LEAST_P


def test_max_iou_draws_until_windows_lie_apart():
    """The second of a pair is as a free one that is redrawn until it overlaps little."""
    flat = np.full((8, 8), 255, np.uint8)
    law = WindowLaw(law="free", size="zoom", size_range=(2.0, 2.0), max_iou=0.2)
    integrals, marks = integrate_maps(flat[None])
    windows = sample_windows(
        np.broadcast_to(integrals, (NUM_OURS, 9, 9)),
        np.broadcast_to(marks, (NUM_OURS, 5)),
        np.arange(NUM_OURS),
        np.broadcast_to(np.array(SHAPE, np.int32), (NUM_OURS, 2)),
        (0, 0),
        ViewLaws.one(law, 2),
    )[0]
    ours = windows[:, :, :2] / (8 * UNITS_PER_CELL)
    rng = np.random.default_rng(6)
    first, second = rng.uniform(0, 0.5, (2, NUM_PLAIN, 2))
    for _ in range(31):
        common = np.maximum(0.5 - np.abs(first - second), 0).prod(axis=1)
        close = common / (0.5 - common) > 0.2
        second[close] = rng.uniform(0, 0.5, (int(close.sum()), 2))
    assert two_sample_p(bins_of(first, 0.5), bins_of(ours[:, 0], 0.5)) > LEAST_P
    assert two_sample_p(bins_of(second, 0.5), bins_of(ours[:, 1], 0.5)) > LEAST_P
    assert two_sample_p(bins_of(first, 0.5), bins_of(ours[:, 1], 0.5)) < 1e-6
