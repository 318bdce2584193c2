"""Which rows train a probe, which choose its settings, which test it.

Enters: labels, patients and the split column of a manifest. Leaves: row numbers; no patient is on
both sides, unless the column has one there, which is said. Next: `linear` and `finetune` fit on
them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest

LOG = logging.getLogger(__name__)
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2


def split_rows(manifest: Manifest, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to learn from and the rows to test on; rows without a label are in neither.

    Parameters
    ----------
    manifest : Manifest
        Its column `split` decides where it holds "train" and "test"; where it is the same in
        all rows, or missing, a fifth of the patients (of the images, where patients are unknown)
        is drawn for the test.
    seed : int
        Of that draw.

    Returns
    -------
    tuple of numpy.ndarray, int64
        Rows for training and rows for the test.

    Raises
    ------
    ValueError
        If the split has other names, fewer than two classes can be learnt, or nothing is left to
        test on.
    """
    labelled = manifest.label >= 0
    split = manifest.columns.get("split")
    names = [] if split is None else np.unique(split).tolist()
    if len(names) > 1 and not {"train", "test"} <= set(names):
        raise ValueError(
            f"split must hold train and test, got {', '.join(map(repr, names[:8]))}. Rename its "
            "values, or the column if it means something else."
        )
    if split is not None and len(names) > 1:
        train, test = labelled & (split == "train"), labelled & (split == "test")
        _warn_of_shared_patients(manifest.patient, train, test)
    else:
        held_out = np.zeros(len(manifest), bool)
        groups = group_rows(manifest)[labelled]
        held_out[np.flatnonzero(labelled)] = hold_out(groups, TEST_SHARE, seed)
        train, test = labelled & ~held_out, held_out
    num_classes = len(np.unique(manifest.label[train]))
    if num_classes < 2 or not test.any():
        raise ValueError(
            "a probe must have at least 2 classes to learn and 1 image to test on, got "
            f"{num_classes} and {int(test.sum())}. Give labels (and a column split) in a CSV."
        )
    return np.flatnonzero(train), np.flatnonzero(test)


def _warn_of_shared_patients(patient: np.ndarray, train: np.ndarray, test: np.ndarray) -> None:
    shared = np.intersect1d(patient[train], patient[test])
    shared = shared[shared != ""]
    if len(shared):
        LOG.warning(
            "split has %d patients both in train and in test, the first of them %s: scores will be "
            "too good, and their intervals too narrow",
            len(shared),
            shared[0],
        )


def group_rows(manifest: Manifest) -> np.ndarray:
    """Give each row the number of its patient, int64 [N]; an unknown patient has one row."""
    names, groups = np.unique(manifest.patient, return_inverse=True)
    unknown = np.flatnonzero(manifest.patient == "")
    groups[unknown] = len(names) + np.arange(len(unknown))
    return groups


def hold_out(groups: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Draw whole groups until they hold a share of the rows.

    Parameters
    ----------
    groups : numpy.ndarray, int64, [N]
        Group of each row.
    share : float
        Share of the rows to draw, at most.
    seed : int
        Of the draw.

    Returns
    -------
    numpy.ndarray, bool, [N]
        True for the drawn rows; some are left on each side where there are two groups or more.
    """
    names, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    num_drawn = int(np.searchsorted(np.cumsum(sizes[order]), share * len(groups), side="right"))
    num_drawn = min(max(num_drawn, 1), len(names) - 1)
    return np.isin(index, order[:num_drawn])


def balance_subset(label: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Draw a fraction of the rows with as many of each class as there are.

    A class that runs out leaves its places to the others, so that fraction 1 is every row. With
    one seed a smaller subset lies within every larger one.

    Parameters
    ----------
    label : numpy.ndarray, int64, [N]
        Class of each row.
    fraction : float
        In (0, 1].
    seed : int
        Of the draw.

    Returns
    -------
    numpy.ndarray, int64
        Positions, sorted; at least one per class.

    Raises
    ------
    ValueError
        If the fraction is out of range.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must lie in (0, 1], got {fraction}. Use 0.01, 0.1 or 1.")
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(label == name)) for name in np.unique(label)]
    num_wanted = max(round(fraction * len(label)), len(members))
    level = 1
    while sum(min(level, len(rows)) for rows in members) < num_wanted:
        level += 1
    return np.sort(np.concatenate([rows[:level] for rows in members]))
