"""Quantise and integrate saliency maps: the specification.

Enters: maps. Leaves: integral images, from which the mass of any window is four reads, and the
marks that two operators need. Next: `sample_windows`.
"""

from __future__ import annotations

import numpy as np

MASK_AREA = 0.8
BOX_THRESHOLD_TENTHS = 1


def quantise_map(saliency: np.ndarray) -> np.ndarray:
    """Return a map scaled so that its maximum is 255 and rounded to uint8.

    Parameters
    ----------
    saliency : numpy.ndarray, float, [h, w]
        Non-negative and finite; checked by the caller.

    Returns
    -------
    numpy.ndarray, uint8, [h, w]
        Zeros where the map holds no mass.
    """
    greatest = float(saliency.max())
    if greatest <= 0.0:
        return np.zeros(saliency.shape, np.uint8)
    return np.floor(saliency.astype(np.float64) / greatest * 255.0 + 0.5).astype(np.uint8)


def integrate_maps(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return integral images and marks of quantised maps.

    Parameters
    ----------
    maps : numpy.ndarray, uint8, [N, h, w]

    Returns
    -------
    integrals : numpy.ndarray, uint32, [N, h + 1, w + 1]
        Sum of all cells above and to the left.
    marks : numpy.ndarray, int32, [N, 5]
        y0, x0, y1, x1 (cells) of the box where the min-max-scaled map exceeds 0.1, the box of
        ContrastiveCrop (the whole map if none does); and the grey level under which the hard mask
        blackens: the greatest that hides at most 80 % of the cells.
    """
    num_maps, height, width = maps.shape
    integrals = np.zeros((num_maps, height + 1, width + 1), np.uint32)
    marks = np.zeros((num_maps, 5), np.int32)
    for n in range(num_maps):
        values = maps[n].astype(np.int64)
        integrals[n, 1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
        low, high = values.min(), values.max()
        inside = 10 * (values - low) > BOX_THRESHOLD_TENTHS * (high - low)
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        box = (0, 0, height, width)
        if len(rows):
            box = (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
        most_hidden = int(MASK_AREA * values.size)
        level = max(t for t in range(256) if (values < t).sum() <= most_hidden)
        marks[n] = (*box, level)
    return integrals, marks
