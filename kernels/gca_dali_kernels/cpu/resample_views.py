"""Crop and resize all views of an image from one pyramid: the kernel that depends on its type.

Enters: an image, and windows of its views. Leaves: their pixels, 0 to 1. Next: `finish_views`.
"""

from __future__ import annotations

import math

import numpy as np

from gca_dali_kernels.cpu.appearance import scale_intensity
from gca_dali_kernels.cpu.compiled import compiled, making_part
from gca_dali_kernels.cpu.planes import resampled_plane, window_px
from gca_dali_kernels.cpu.resample import (
    choose_level,
    halve,
    resample_turned,
    resample_upright,
)
from gca_dali_kernels.reference.draw import UPRIGHT

F32 = np.float32
# Numba compiles once more for each literal that it is given.
ZERO, ONE = np.int64(0), np.int64(1)
NUM_IN_BAND = 8  # rows of the second level


@compiled
def resample_views(image, like, seen, looks, target) -> None:
    """Crop and resize all views of one image, from the level of the pyramid that suits each.

    `like` is an empty array of the type of that pyramid. Views that are to be blurred go to
    memory of their own.
    """
    shape, (_, windows, turns, grid), places = image.shape, seen, target[2]
    num_views = len(places)
    levels = np.empty(num_views, np.int64)
    for v in range(num_views):
        y0, x0, y1, x1 = window_px(windows[v], grid, shape)
        scales = (y1 - y0) / places[v, 1], (x1 - x0) / places[v, 2]
        levels[v] = choose_level(scales[0], scales[1], shape[0], shape[1])
        if levels[v] == 0:
            resample_one(image, (ZERO, ZERO), shape, levels[v], v, seen, looks, target)
    highest = levels.max()
    if highest == 0:
        return
    top, left, bottom, right = seen_region(windows, turns, levels, highest, grid, shape)
    lowest = ONE + ONE
    for v in range(num_views):
        if levels[v] == 1:
            lowest = ONE
    num_rows, num_columns = (bottom - top) // 2, (right - left) // 2
    if lowest == 1:
        sums = np.empty((num_rows, num_columns), like.dtype)
        halve(image, (top, left), sums)
    else:
        # No view reads the first level: a band of it at a time stays in the cache.
        sums = np.empty((num_rows // 2, num_columns // 2), like.dtype)
        band = np.empty((2 * NUM_IN_BAND, num_columns), like.dtype)
        for first in range(0, len(sums), NUM_IN_BAND):
            last = min(first + NUM_IN_BAND, len(sums))
            halve(image, (top + 4 * first, left), band[: 2 * (last - first)])
            halve(band, (ZERO, ZERO), sums[first:last])
    for level in range(lowest, highest + ONE):
        for v in range(num_views):
            if levels[v] == level:
                resample_one(sums, (top, left), shape, level, v, seen, looks, target)
        if level < highest:
            smaller = np.empty((sums.shape[0] // 2, sums.shape[1] // 2), sums.dtype)
            halve(sums, (ZERO, ZERO), smaller)
            sums = smaller


@making_part
def seen_region(windows, turns, levels, highest, grid, shape):
    """Return the part of the image (y0, x0, y1, x1) that the shrunk views see, in whole squares."""
    square = 1 << highest
    top, left, bottom, right = shape[0], shape[1], 0, 0
    for v in range(len(levels)):
        if levels[v] > 0:
            y0, x0, y1, x1 = window_px(windows[v], grid, shape)
            if turns[v, 0] != UPRIGHT:
                y0, x0, y1, x1 = 0.0, 0.0, float(shape[0]), float(shape[1])
            top, left = min(top, int(y0)), min(left, int(x0))
            bottom, right = max(bottom, math.ceil(y1)), max(right, math.ceil(x1))
    top, left = top // square * square, left // square * square
    bottom = min(-(-bottom // square) * square, shape[0])
    right = min(-(-right // square) * square, shape[1])
    return top, left, bottom, right


@making_part
def resample_one(source, corner, shape, level, v, seen, looks, target) -> None:
    """Resample view `v` from the sums after `level` halvings, which begin at `corner`; 0 to 1."""
    (ranges, windows, turns, grid), (key, rotations, records) = seen, looks
    view = resampled_plane(v, key, records, target)
    y0, x0, y1, x1 = window_px(windows[v], grid, shape)
    window = (y0 - corner[0], x0 - corner[1], y1 - corner[0], x1 - corner[1])
    rest = (shape[0] - corner[0], shape[1] - corner[1])
    low, high = ranges[0] * F32(4.0**level), ranges[1] * F32(4.0**level)
    step, flip = turns[v, 0], turns[v, 1]
    if step == UPRIGHT:
        resample_upright(source, window, rest, level, flip, view)
    else:
        rotation = rotations[target[2][v, 0], step]
        turn = (rotation[0] / 65536.0, rotation[1] / 65536.0, flip)
        resample_turned(source, window, rest, level, turn, low, view)
    scale_intensity(view, F32(1.0) / (high - low), low / (low - high))
