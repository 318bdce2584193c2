"""Draw many windows of one map, and compare two samples of them by chi-square."""

from __future__ import annotations

import numpy as np
from scipy import stats

from gca_dali_kernels.cpu.integrate_maps import integrate_maps
from gca_dali_kernels.cpu.sample_windows import sample_windows
from gca_dali_kernels.law import UNITS_PER_CELL, ViewLaws, WindowLaw

# Keys are fixed, so a test gives the same p each time: a wrong law gives far less than this.
LEAST_P = 1e-3
LEAST_PER_BIN = 5


def two_spots(shape: tuple[int, int] = (16, 12)) -> np.ndarray:
    """Return a map with a large and a small spot and a faint ground, uint8, [h, w]."""
    y, x = np.moveaxis(np.mgrid[: shape[0], : shape[1]] + 0.5, 0, -1).reshape(-1, 2).T
    y, x = y / shape[0], x / shape[1]
    large = np.exp(-((y - 0.35) ** 2 + (x - 0.6) ** 2) / 0.02)
    small = 0.7 * np.exp(-((y - 0.75) ** 2 + (x - 0.25) ** 2) / 0.008)
    return np.rint(255 * np.minimum(large + small + 0.02, 1)).astype(np.uint8).reshape(shape)


def draw_windows(
    saliency: np.ndarray, shape: tuple[int, int], law: WindowLaw, count: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return windows in shares of the sides, float64, [count, 4]; turns; retained; grown.

    Each has a sample index of its own.
    """
    integrals, marks = integrate_maps(saliency[None])
    windows, turns, retained, grown, _ = sample_windows(
        np.broadcast_to(integrals, (count, *integrals.shape[1:])),
        np.broadcast_to(marks, (count, 5)),
        np.arange(count),
        np.broadcast_to(np.array(shape, np.int32), (count, 2)),
        (seed, 0),
        ViewLaws.one(law, 1),
    )
    cells = np.array(saliency.shape * 2) * UNITS_PER_CELL
    return windows[:, 0] / cells, turns[:, 0], retained[:, 0], grown[:, 0]


def bin_windows(windows: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    """Return the number of the bin of each window over log area, aspect and centre.

    `edges` are the inner borders for log area, log (height over width), centre y and centre x.
    """
    height, width = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
    features = (
        np.log(height * width),
        np.log(height / width),
        (windows[:, 0] + windows[:, 2]) / 2,
        (windows[:, 1] + windows[:, 3]) / 2,
    )
    number = np.zeros(len(windows), int)
    for feature, borders in zip(features, edges, strict=True):
        number = number * (len(borders) + 1) + np.searchsorted(borders, feature)
    return number


def quantile_edges(windows: np.ndarray, num_bins: tuple[int, int, int, int]) -> list[np.ndarray]:
    """Return borders that part these windows into about equal counts along each feature."""
    height, width = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
    features = (
        np.log(height * width),
        np.log(height / width),
        (windows[:, 0] + windows[:, 2]) / 2,
        (windows[:, 1] + windows[:, 3]) / 2,
    )
    return [
        np.quantile(feature, np.arange(1, bins) / bins)
        for feature, bins in zip(features, num_bins, strict=True)
    ]


def p_of(result) -> float:
    """Return the p of a result of scipy.stats."""
    return float(result.pvalue)


def two_sample_p(first: np.ndarray, second: np.ndarray) -> float:
    """Return the p of the chi-square that two samples of bin numbers have one law."""
    num_bins = int(max(first.max(), second.max())) + 1
    table = np.stack(
        [np.bincount(first, minlength=num_bins), np.bincount(second, minlength=num_bins)]
    )
    expected = table.sum(axis=0) * table.sum(axis=1).min() / table.sum()
    scarce = expected < LEAST_PER_BIN
    merged = table[:, ~scarce]
    rest = table[:, scarce].sum(axis=1, keepdims=True)
    if rest.sum() * table.sum(axis=1).min() / table.sum() >= LEAST_PER_BIN:
        merged = np.concatenate([merged, rest], axis=1)
    # Bins too scarce even together are few windows: the test must not rest on them.
    assert merged.sum() >= 0.99 * table.sum()
    assert merged.shape[1] >= 20
    return p_of(stats.chi2_contingency(merged))


def one_sample_p(counts: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the p of the chi-square that counts follow probabilities, at least 5 per bin."""
    expected = probabilities / probabilities.sum() * counts.sum()
    scarce = expected < LEAST_PER_BIN
    observed = np.append(counts[~scarce], counts[scarce].sum())
    expected = np.append(expected[~scarce], expected[scarce].sum())
    if expected[-1] < LEAST_PER_BIN:
        observed[-2] += observed[-1]
        expected[-2] += expected[-1]
        observed, expected = observed[:-1], expected[:-1]
    return p_of(stats.chisquare(observed, expected))
