"""Which images a simulated study shows: some of each grade, training patients only.

Enters: labels, splits and patients of a manifest. Leaves: its rows, ascending. Next: the simulated
reader reads them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PUBLISHED_COUNTS = (154, 55, 81, 40, 24)
"""Recordings per Kellgren–Lawrence grade 0–4 in the study of Wang et al. (2024): 354 knees."""


def draw_study(
    label: np.ndarray,
    split: np.ndarray | None,
    counts: Sequence[int] = PUBLISHED_COUNTS,
    seed: int = 0,
) -> np.ndarray:
    """Draw rows of each label without replacement, from the training split alone.

    Parameters
    ----------
    label : numpy.ndarray, int64, [N]
        Label of each row; label k gets `counts[k]` rows.
    split : numpy.ndarray, str, [N], optional
        Rows where it is "train" can be drawn; all rows where there is no split.
    counts : sequence of int
        Rows per label.
    seed : int
        Of the draw.

    Returns
    -------
    numpy.ndarray, int64, [sum of counts]

    Raises
    ------
    ValueError
        Where a label has too few rows.
    """
    rng = np.random.default_rng(seed)
    allowed = np.ones(len(label), bool) if split is None else np.asarray(split) == "train"
    drawn = []
    for grade, count in enumerate(counts):
        rows = np.flatnonzero(allowed & (np.asarray(label) == grade))
        if len(rows) < count:
            raise ValueError(
                f"label {grade} must have at least {count} training rows, got {len(rows)}. "
                f"Ask for fewer."
            )
        drawn.append(rng.choice(rows, count, replace=False))
    return np.sort(np.concatenate(drawn)) if drawn else np.zeros(0, np.int64)
