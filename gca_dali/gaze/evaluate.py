"""Scores of a predictor on recorded gaze, beside the centre prior and the mean-map prior.

Enters: predicted maps, recorded maps and, where they are known, fixations. Leaves: `Evaluation`,
every metric per image and its mean with a bootstrap interval. Next: the card, the note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gca_dali.gaze import metrics

MAP_METRICS = ("cc", "sim", "kld")
FIXATION_METRICS = ("nss", "auc_judd", "auc_shuffled", "information_gain")
LOWER_IS_BETTER = ("kld",)
NUM_RESAMPLES = 2000


@dataclass(frozen=True)
class Evaluation:
    """Scores of several sources of saliency on the same images.

    Attributes
    ----------
    path : numpy.ndarray, str, [N]
        Images.
    scores : dict of str to dict of str to numpy.ndarray
        `scores[source][metric]` is float64, [N]; NaN where an image has no fixations.
    groups : numpy.ndarray, str, [N]
        Patients: images of one patient are drawn together when intervals are made.
    """

    path: np.ndarray
    scores: dict[str, dict[str, np.ndarray]]
    groups: np.ndarray

    def mean(self, source: str, metric: str) -> tuple[float, float, float]:
        """Return a mean over images and the ends of its 95 % interval."""
        return bootstrap_mean(self.scores[source][metric], self.groups)

    def gain(self, source: str, baseline: str, metric: str) -> tuple[float, float, float]:
        """Return the paired advantage of `source`, positive where it is better, with interval."""
        difference = self.scores[source][metric] - self.scores[baseline][metric]
        sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
        return bootstrap_mean(sign * difference, self.groups)

    def as_dict(self) -> dict[str, Any]:
        """Return means, intervals and gains of the first source as a dictionary for JSON."""
        first, *others = self.scores
        summary: dict[str, Any] = {"num_images": len(self.path), "scores": {}, "gains": {}}
        for source, by_metric in self.scores.items():
            summary["scores"][source] = {
                metric: _as_entry(self.mean(source, metric)) for metric in by_metric
            }
        for other in others:
            summary["gains"][f"{first} over {other}"] = {
                metric: _as_entry(self.gain(first, other, metric)) for metric in self.scores[first]
            }
        return summary


def evaluate_maps(
    sources: Mapping[str, np.ndarray],
    recorded: np.ndarray,
    path: Sequence[str] | np.ndarray,
    *,
    cells: Mapping[str, np.ndarray] | None = None,
    prior: str = "mean map",
    groups: np.ndarray | None = None,
) -> Evaluation:
    """Score sources of saliency against recorded gaze.

    Parameters
    ----------
    sources : mapping of str to numpy.ndarray, float, [N, mh, mw] or [mh, mw]
        Maps per image, or one map for all of them. The first is the one that is compared.
    recorded : numpy.ndarray, float, [N, mh, mw]
        Recorded maps.
    path : sequence of str, [N]
        Names of the images.
    cells : mapping of str to numpy.ndarray, int64, [F, 2], optional
        Fixated cells per image; without it the metrics of fixations are left out.
    prior : str
        Source over which the information gain is measured.
    groups : numpy.ndarray, str, [N], optional
        Patients; every image for itself by default.

    Raises
    ------
    ValueError
        Where there is no image.
    """
    if len(path) == 0:
        raise ValueError("images must be at least one, got none. Check the maps and the manifest.")
    names = [str(name) for name in path]
    every = {
        source: np.broadcast_to(np.asarray(maps, np.float64), recorded.shape)
        for source, maps in sources.items()
    }
    fixated = [np.zeros((0, 2), np.int64) if cells is None else cells[name] for name in names]
    owner = np.repeat(np.arange(len(fixated)), [len(cells) for cells in fixated])
    pool = np.concatenate(fixated)
    rows_of: dict[str, list[dict[str, float]]] = {source: [] for source in every}
    for i in range(len(names)):
        others = pool[owner != i]
        for source, maps in every.items():
            row = _score_image(maps[i], recorded[i], fixated[i], others, every[prior][i])
            rows_of[source].append(row)
    scores: dict[str, dict[str, np.ndarray]] = {}
    for source, rows in rows_of.items():
        wanted = MAP_METRICS if cells is None else (*MAP_METRICS, *FIXATION_METRICS)
        scores[source] = {metric: np.array([row[metric] for row in rows]) for metric in wanted}
    groups = np.array(names) if groups is None else np.asarray(groups)
    return Evaluation(np.array(names), scores, groups)


def bootstrap_mean(values: np.ndarray, groups: np.ndarray) -> tuple[float, float, float]:
    """Return the mean and its 95 % percentile interval over resampled patients.

    Parameters
    ----------
    values : numpy.ndarray, float64, [N]
        NaN is left out.
    groups : numpy.ndarray, str, [N]
        Patients.

    Returns
    -------
    mean, low, high : float
        NaN where nothing is left.
    """
    kept = np.isfinite(values)
    if not kept.any():
        return float("nan"), float("nan"), float("nan")
    _, member = np.unique(groups[kept], return_inverse=True)
    total = np.bincount(member, weights=values[kept])
    count = np.bincount(member)
    draw = np.random.default_rng(0).integers(0, len(count), (NUM_RESAMPLES, len(count)))
    means = total[draw].sum(1) / count[draw].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values[kept].mean()), float(low), float(high)


def _score_image(
    saliency: np.ndarray,
    recorded: np.ndarray,
    cells: np.ndarray,
    other_cells: np.ndarray,
    prior: np.ndarray,
) -> dict[str, float]:
    """Return every metric of one map on one image."""
    row = {
        "cc": metrics.cc(saliency, recorded),
        "sim": metrics.sim(saliency, recorded),
        "kld": metrics.kld(saliency, recorded),
    }
    row |= dict.fromkeys(FIXATION_METRICS, float("nan"))
    if len(cells):
        row["nss"] = metrics.nss(saliency, cells)
        row["auc_judd"] = metrics.auc_judd(saliency, cells)
        row["information_gain"] = metrics.information_gain(saliency, prior, cells)
        if len(other_cells):
            row["auc_shuffled"] = metrics.auc_shuffled(saliency, cells, other_cells)
    return row


def _as_entry(interval: tuple[float, float, float]) -> dict[str, Any]:
    """Return a mean and its interval for JSON."""
    return {"mean": interval[0], "ci95": [interval[1], interval[2]]}
