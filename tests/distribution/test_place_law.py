"""`hold`: places of one size follow share^weight where the share is at least tau.

The probability of each bin of places is integrated on a fine grid: no second sampler.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.ops.plain_windows import integrate_map, mass_in
from gca_dali_kernels.law import WindowLaw
from gca_dali_kernels.tables import beta_table
from law_statistics import LEAST_P, draw_windows, one_sample_p, p_of, two_spots

SHAPE = (300, 400)
COUNT = 60_000
NUM_BINS, FINE = 12, 10


def place_probabilities(saliency: np.ndarray, side: float, tau: float, weight: int) -> np.ndarray:
    """Return the probability of each bin of places of a window with this side, [12, 12]."""
    integral = integrate_map(saliency)
    fine = NUM_BINS * FINE
    density = np.zeros((fine, fine))
    starts = (np.arange(fine) + 0.5) / fine * (1 - side)
    for row, y0 in enumerate(starts):
        for column, x0 in enumerate(starts):
            share = mass_in(integral, (y0, x0, y0 + side, x0 + side)) / integral[-1, -1]
            density[row, column] = share**weight if share >= tau else 0.0
    return density.reshape(NUM_BINS, FINE, NUM_BINS, FINE).sum(axis=(1, 3)) / density.sum()


@pytest.mark.parametrize(("tau", "weight"), [(0.0, 0), (0.0, 1), (0.0, 2)])
def test_places_of_one_size(tau: float, weight: int):
    saliency = two_spots()
    law = WindowLaw(size="zoom", size_range=(2.0, 2.0), tau=tau, weight=weight, num_candidates=5000)
    windows, *_ = draw_windows(saliency, SHAPE, law, COUNT)
    bins = np.minimum((windows[:, :2] / 0.5 * NUM_BINS).astype(int), NUM_BINS - 1)
    counts = np.bincount(bins[:, 0] * NUM_BINS + bins[:, 1], minlength=NUM_BINS**2)
    probabilities = place_probabilities(saliency, 0.5, tau, weight).ravel()
    assert one_sample_p(counts, probabilities) > LEAST_P
    if weight != 1:
        other = place_probabilities(saliency, 0.5, tau, 1).ravel()
        assert one_sample_p(counts, other) < 1e-6


@pytest.mark.parametrize("weight", [0, 1, 2])
def test_places_with_tau(weight: int):
    """With a tau the borders of the accepted places cut bins: compare at a tau's distance."""
    saliency, tau = two_spots(), 0.5
    law = WindowLaw(size="zoom", size_range=(2.0, 2.0), tau=tau, weight=weight, num_candidates=5000)
    windows, _, retained, grown = draw_windows(saliency, SHAPE, law, COUNT)
    assert not grown.any() and retained.min() >= tau
    bins = np.minimum((windows[:, :2] / 0.5 * NUM_BINS).astype(int), NUM_BINS - 1)
    counts = np.bincount(bins[:, 0] * NUM_BINS + bins[:, 1], minlength=NUM_BINS**2)
    probabilities = place_probabilities(saliency, 0.5, tau, weight).ravel()
    # Only bins that lie wholly inside or outside of what tau allows are integrated exactly.
    free = place_probabilities(saliency, 0.5, 0.0, weight).ravel()
    allowed = probabilities / free
    allowed /= allowed.max()
    inside = allowed > 1 - 1e-9
    assert inside.sum() > 15
    assert counts[probabilities == 0].sum() <= 0.02 * COUNT
    assert one_sample_p(counts[inside], probabilities[inside]) > LEAST_P


def test_hold_keeps_the_drawn_sizes():
    """Unlike rejection, tau does not make the windows larger where places hold it."""
    saliency = np.zeros((16, 12), np.uint8)
    saliency[2, 2] = 255
    sizes = {}
    for tau in (0.0, 0.9):
        law = WindowLaw(size_range=(0.2, 0.9), tau=tau, weight=0, num_candidates=5000)
        windows, _, _, grown = draw_windows(saliency, SHAPE, law, 20_000)
        assert not grown.any()
        sizes[tau] = windows[:, 2:] - windows[:, :2]
    np.testing.assert_allclose(sizes[0.0], sizes[0.9], atol=1e-12)
    rejected = WindowLaw(law="rejection", size_range=(0.2, 0.9), tau=0.9, weight=0)
    windows, *_ = draw_windows(saliency, SHAPE, rejected, 20_000)
    areas = np.prod(windows[:, 2:] - windows[:, :2], axis=1)
    assert areas.mean() > np.prod(sizes[0.9], axis=1).mean() + 0.05


def test_contrastive_crop_follows_the_beta_law():
    """Centres are Beta(0.6, 0.6) over the box of the map, moved inside the image."""
    saliency = np.zeros((16, 12), np.uint8)
    saliency[5:12, 3:10] = 200
    law = WindowLaw(law="contrastive_crop", size="zoom", size_range=(4.0, 4.0), beta=0.6)
    windows, *_ = draw_windows(saliency, SHAPE, law, 20_000)
    centres = (windows[:, :2] + windows[:, 2:]) / 2
    for axis, (low, high) in enumerate(((5 / 16, 12 / 16), (3 / 12, 10 / 12))):
        first, last = max(low, 0.125), min(high, 0.875)
        assert centres[:, axis].min() >= first - 1e-3
        assert centres[:, axis].max() <= last + 1e-3
        scaled = np.clip((centres[:, axis] - first) / (last - first), 0, 1)
        assert stats.kstest(scaled, stats.beta(0.6, 0.6).cdf).pvalue > LEAST_P
        assert stats.kstest(scaled, stats.beta(1.0, 1.0).cdf).pvalue < 1e-6
    assert p_of(stats.pearsonr(centres[:, 0], centres[:, 1])) > LEAST_P


@pytest.mark.parametrize("beta", [0.5, 0.6, 1.0, 2.0, 5.0])
def test_beta_table(beta: float):
    table = beta_table(beta) / 2**16
    exact = stats.beta(beta, beta).ppf(np.arange(1025) / 1024)
    np.testing.assert_allclose(table, exact, atol=2e-5)
