"""Quantise and integrate saliency maps in Numba; twin of `reference.integrate_maps`."""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.compiled import compiled, making_part
from gca_dali_kernels.cpu.parallel import run_parallel
from gca_dali_kernels.reference.integrate_maps import BOX_THRESHOLD_TENTHS, MASK_AREA


def integrate_maps(maps: np.ndarray, num_threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return integral images, uint32, [N, h + 1, w + 1], and marks, int32, [N, 5].

    Parameters
    ----------
    maps : numpy.ndarray, uint8, [N, h, w]
    num_threads : int
        0 means one per core.
    """
    num_maps, height, width = maps.shape
    integrals = np.empty((num_maps, height + 1, width + 1), np.uint32)
    marks = np.empty((num_maps, 5), np.int32)

    def work(first: int, last: int) -> None:
        integrate_part(maps[first:last], integrals[first:last], marks[first:last])

    run_parallel(work, num_maps, num_threads)
    return integrals, marks


@compiled
def integrate_part(maps: np.ndarray, integrals: np.ndarray, marks: np.ndarray) -> None:
    """Integrate and mark each map of a part."""
    num_maps, height, width = maps.shape
    for n in range(num_maps):
        counts = np.zeros(256, np.int64)
        integrals[n, 0, :] = 0
        for y in range(height):
            integrals[n, y + 1, 0] = 0
            row_sum = np.uint32(0)
            for x in range(width):
                value = maps[n, y, x]
                counts[value] += 1
                row_sum += np.uint32(value)
                integrals[n, y + 1, x + 1] = integrals[n, y, x + 1] + row_sum
        mark_map(maps[n], counts, marks[n])


@making_part
def mark_map(saliency: np.ndarray, counts: np.ndarray, mark: np.ndarray) -> None:
    """Write the box above a tenth of the range and the hard mask's level."""
    height, width = saliency.shape
    low, high = 0, 255
    while counts[low] == 0:
        low += 1
    while counts[high] == 0:
        high -= 1
    y0, x0, y1, x1 = height, width, 0, 0
    for y in range(height):
        for x in range(width):
            if 10 * (np.int64(saliency[y, x]) - low) > BOX_THRESHOLD_TENTHS * (high - low):
                y0, x0 = min(y0, y), min(x0, x)
                y1, x1 = max(y1, y + 1), max(x1, x + 1)
    if y1 == 0:
        y0, x0, y1, x1 = 0, 0, height, width
    most_hidden = int(MASK_AREA * saliency.size)
    level, hidden = 0, counts[0]
    while level < 255 and hidden <= most_hidden:
        level += 1
        hidden += counts[level]
    mark[0], mark[1], mark[2], mark[3], mark[4] = y0, x0, y1, x1, level
