"""Agreement of a saliency map with a recorded map and its fixations.

Enters: two maps of one shape, or a map and fixated cells. Leaves: one number each, as the
MIT/Tübingen saliency benchmark defines them (Bylinskii et al. 2019). Next: `evaluate`.
"""

from __future__ import annotations

import numpy as np

EPSILON = 2.2204e-16
"""Regulariser of KLD and of the information gain in the MIT benchmark."""


def fixation_cells(points: np.ndarray, size: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Return the cells of a map that fixations fall into.

    Parameters
    ----------
    points : numpy.ndarray, float64, [F, 2 or more]
        y and x in image pixels; further columns are ignored.
    size, shape : tuple of int
        Height and width of the image in pixels; rows and columns of the map.

    Returns
    -------
    numpy.ndarray, int64, [F, 2]
        Row and column; positions at or beyond an edge go to the cell there.
    """
    cells = np.floor(points[:, :2] * np.divide(shape, size)).astype(np.int64)
    return np.clip(cells, 0, np.subtract(shape, 1))


def cc(predicted: np.ndarray, recorded: np.ndarray) -> float:
    """Return Pearson's correlation of two maps, 0 where one of them is constant."""
    a, b = _paired(predicted, recorded)
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a**2).sum() * (b**2).sum())
    # Rounding leaves a constant map with a sum of squares of order 1e-32 of its level.
    return (
        float((a * b).sum() / norm) if norm > 1e-15 * a.size * _level(predicted, recorded) else 0.0
    )


def sim(predicted: np.ndarray, recorded: np.ndarray) -> float:
    """Return Σ min(P, Q) of the maps scaled to minimum 0 and sum 1; 1 for equal maps.

    A constant map becomes uniform.
    """
    a, b = _paired(predicted, recorded)
    return float(np.minimum(_density(a - a.min()), _density(b - b.min())).sum())


def kld(predicted: np.ndarray, recorded: np.ndarray) -> float:
    """Return Σ Q log(ε + Q / (P + ε)) in nats, Q recorded and P predicted, each summing to 1.

    A map without mass becomes uniform.
    """
    a, b = _paired(predicted, recorded)
    p, q = _density(a), _density(b)
    return float((q * np.log(EPSILON + q / (p + EPSILON))).sum())


def nss(predicted: np.ndarray, cells: np.ndarray) -> float:
    """Return the mean of the standardised map over the fixated cells, 0 for a constant map.

    Parameters
    ----------
    predicted : numpy.ndarray, float, [mh, mw]
        Map; its standard deviation is that of the population.
    cells : numpy.ndarray, int64, [F, 2]
        Row and column of each fixation, F ≥ 1.
    """
    a = _checked(predicted)
    at = _values(a, cells)
    spread = a.std()
    return float((at - a.mean()).mean() / spread) if spread > 1e-12 * abs(a).max() else 0.0


def auc_judd(predicted: np.ndarray, cells: np.ndarray) -> float:
    """Return the area under the ROC with thresholds at the fixations.

    False positives are counted over the cells without a fixation (Judd et al. 2009); 0.5 for a
    constant map or where every cell is fixated.
    """
    a = _checked(predicted)
    at = _values(a, cells)
    free = np.ones(a.shape, bool)
    free[cells[:, 0], cells[:, 1]] = False
    negatives = a[free]
    if len(negatives) == 0:
        return 0.5
    thresholds = np.sort(at)[::-1]
    hits = np.concatenate([[0], _share_at_least(at, thresholds), [1]])
    alarms = np.concatenate([[0], _share_at_least(negatives, thresholds), [1]])
    return float((np.diff(alarms) * (hits[1:] + hits[:-1]) / 2).sum())


def auc_shuffled(predicted: np.ndarray, cells: np.ndarray, other_cells: np.ndarray) -> float:
    """Return the area under the ROC whose negatives are fixations on other images.

    Blind to whatever all images share, such as a central bias: a prior scores 0.5 (Zhang et al.
    2008). Ties count half.

    Parameters
    ----------
    predicted : numpy.ndarray, float, [mh, mw]
        Map.
    cells, other_cells : numpy.ndarray, int64, [F, 2] and [G, 2]
        Fixated cells of this image and of the others, F, G ≥ 1.
    """
    a = _checked(predicted)
    positives, negatives = _values(a, cells), np.sort(_values(a, other_cells))
    below = np.searchsorted(negatives, positives, side="left")
    up_to = np.searchsorted(negatives, positives, side="right")
    return float((below + up_to).mean() / (2 * len(negatives)))


def information_gain(predicted: np.ndarray, prior: np.ndarray, cells: np.ndarray) -> float:
    """Return the mean over fixations of log2(ε + P) − log2(ε + prior), in bits per fixation.

    Both maps are scaled to sum 1 first (Kümmerer et al. 2015).
    """
    a, b = _paired(predicted, prior)
    gain = np.log2(EPSILON + _density(a)) - np.log2(EPSILON + _density(b))
    return float(_values(gain, cells).mean())


def _checked(saliency: np.ndarray) -> np.ndarray:
    """Return the map as float64, refusing what is none."""
    a = np.asarray(saliency, np.float64)
    if a.ndim != 2 or a.size == 0 or not np.isfinite(a).all():
        raise ValueError(
            f"saliency must be a finite map [mh, mw], got shape {list(a.shape)}. "
            f"Check how it was made."
        )
    return a


def _paired(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two maps as float64, refusing different shapes."""
    a, b = _checked(first), _checked(second)
    if a.shape != b.shape:
        raise ValueError(
            f"maps must have one shape, got {list(a.shape)} and {list(b.shape)}. Resize one."
        )
    return a, b


def _values(a: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return the map at the cells, refusing an empty list."""
    if len(cells) == 0:
        raise ValueError("cells must hold at least one fixation, got none. Skip the image.")
    return a[cells[:, 0], cells[:, 1]]


def _density(a: np.ndarray) -> np.ndarray:
    """Scale a map to sum 1; uniform where it holds no mass."""
    total = a.sum()
    return a / total if total > 0 else np.full(a.shape, 1 / a.size)


def _level(*maps: np.ndarray) -> float:
    """Return the product of the largest magnitudes, the scale of a product of the maps."""
    return float(np.prod([np.abs(a).max() for a in maps]))


def _share_at_least(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the share of the values that reach each threshold."""
    return 1 - np.searchsorted(np.sort(values), thresholds, side="left") / len(values)
