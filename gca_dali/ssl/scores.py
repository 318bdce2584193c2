"""What predictions are worth: accuracy, error of the grade, AUC, kappa, and how sure that is.

Enters: probabilities and labels of test images. Leaves: scores with bootstrap intervals, and the
paired difference of two networks. Patients are drawn, not images: two knees are not two cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

METRICS = ("accuracy", "mae", "auc", "kappa")
NUM_RESAMPLES = 2000
_MAX_WEIGHTS = 4_000_000


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities of M test images.

    Attributes
    ----------
    probability : numpy.ndarray, float64, [M, K]
        One column per class.
    label : numpy.ndarray, int64, [M]
        True classes.
    groups : numpy.ndarray, int64, [M]
        Patient of each image.
    """

    probability: np.ndarray
    label: np.ndarray
    groups: np.ndarray

    def __post_init__(self) -> None:
        """Refuse columns of unequal length."""
        if not len(self.probability) == len(self.label) == len(self.groups):
            raise ValueError(
                "probability, label and groups must be equally long, got "
                f"{len(self.probability)}, {len(self.label)}, {len(self.groups)}. "
                "Predict every test image once."
            )


def score(predictions: Predictions, seed: int = 0) -> dict[str, Any]:
    """Score predictions.

    Parameters
    ----------
    predictions : Predictions
        Of the test images.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        accuracy; mae, the mean distance of the grade; auc, the mean over classes of one against
        the rest; kappa with quadratic weights; and for each NAME its 95 % interval NAME_ci95.
    """
    resampled = _resample(predictions, seed)
    scores: dict[str, Any] = {}
    for name, value in _measure(predictions, np.ones((1, len(predictions.label)))).items():
        scores[name] = float(value[0])
        scores[f"{name}_ci95"] = _interval(resampled[name])
    return scores


def compare(first: Predictions, second: Predictions, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Compare two networks on the same test images by a paired bootstrap.

    Parameters
    ----------
    first, second : Predictions
        Of the same images in the same order.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict of dict
        For each metric: difference (first − second), its ci95, and p, the two-sided share of
        resamples on the other side of zero, never 0; NaN where the metric is undefined.

    Raises
    ------
    ValueError
        If the images differ.
    """
    same = np.array_equal(first.label, second.label) and np.array_equal(first.groups, second.groups)
    if not same:
        raise ValueError(
            "both networks must be tested on the same images, got other labels or patients. "
            "Use the same manifest and seed."
        )
    resampled = [_resample(item, seed) for item in (first, second)]
    whole = [_measure(item, np.ones((1, len(item.label)))) for item in (first, second)]
    report = {}
    for name in METRICS:
        difference = resampled[0][name] - resampled[1][name]
        known = difference[np.isfinite(difference)]
        tail = min((known <= 0).sum(), (known >= 0).sum())
        report[name] = {
            "difference": float(whole[0][name][0] - whole[1][name][0]),
            "ci95": _interval(difference),
            # As many resamples as there are cannot tell less than one of them.
            "p": float(min(1.0, 2 * (1 + tail) / (1 + len(known)))) if len(known) else float("nan"),
        }
    return report


def _interval(values: np.ndarray) -> list[float]:
    if np.isnan(values).all():
        return [float("nan"), float("nan")]
    return [float(v) for v in np.nanpercentile(values, (2.5, 97.5))]


def _resample(predictions: Predictions, seed: int) -> dict[str, np.ndarray]:
    """Return each metric over resamples of the groups, [NUM_RESAMPLES]."""
    names, index = np.unique(predictions.groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    num_at_once = max(1, _MAX_WEIGHTS // len(index))
    parts = []
    for start in range(0, NUM_RESAMPLES, num_at_once):
        num = min(num_at_once, NUM_RESAMPLES - start)
        counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=num)
        parts.append(_measure(predictions, counts[:, index].astype(np.float64)))
    return {name: np.concatenate([part[name] for part in parts]) for name in METRICS}


def _measure(predictions: Predictions, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return each metric under R weightings of the images, [R] from [R, M]."""
    label, guess = predictions.label, predictions.probability.argmax(1)
    total = weights.sum(1)
    return {
        "accuracy": weights @ (guess == label) / total,
        "mae": weights @ np.abs(guess - label) / total,
        "auc": _macro_auc(predictions.probability, label, weights),
        "kappa": quadratic_kappa(guess, label, predictions.probability.shape[1], weights),
    }


def weighted_auc(value: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve under R weightings of M images; ties count half.

    Parameters
    ----------
    value : numpy.ndarray, float64, [M]
        Higher where the image is more likely positive.
    positive : numpy.ndarray, bool, [M]
        Which are.
    weights : numpy.ndarray, float64, [R, M]
        How often each image counts.

    Returns
    -------
    numpy.ndarray, float64, [R]
        NaN where one side has no weight.
    """
    order = np.argsort(value, kind="stable")
    value, positive, weights = value[order], positive[order], weights[:, order]
    starts = np.flatnonzero(np.r_[True, value[1:] != value[:-1]])
    inside = np.add.reduceat(weights * positive, starts, axis=1)
    outside = np.add.reduceat(weights * ~positive, starts, axis=1)
    below = np.cumsum(outside, axis=1) - outside / 2
    pairs = inside.sum(1) * outside.sum(1)
    wins = (inside * below).sum(1)
    return np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def quadratic_kappa(
    guess: np.ndarray, label: np.ndarray, num_classes: int, weights: np.ndarray
) -> np.ndarray:
    """Return Cohen's kappa with squared distance of the grades, under R weightings of M images.

    Parameters
    ----------
    guess, label : numpy.ndarray, int64, [M]
        Guessed and true grade of each image, below `num_classes`.
    num_classes : int
    weights : numpy.ndarray, float64, [R, M]
        How often each image counts.

    Returns
    -------
    numpy.ndarray, float64, [R]
        1 where nothing can disagree.
    """
    grades = np.eye(num_classes)
    given, true = weights @ grades[guess], weights @ grades[label]
    observed = weights @ ((guess - label) ** 2).astype(np.float64)
    steps = np.arange(num_classes)
    distance = (steps[:, None] - steps[None, :]) ** 2.0
    expected = np.einsum("rk,kl,rl->r", given, distance, true) / weights.sum(1)
    agreement = np.divide(observed, expected, out=np.zeros_like(observed), where=expected > 0)
    return 1 - agreement


def _macro_auc(probability: np.ndarray, label: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average the AUC of each class that has images on both sides."""
    table = np.stack(
        [weighted_auc(column, label == name, weights) for name, column in enumerate(probability.T)]
    )
    known = ~np.isnan(table)
    sums, counts = np.where(known, table, 0).sum(0), known.sum(0)
    return np.divide(sums, counts, out=np.full(len(weights), np.nan), where=counts > 0)
