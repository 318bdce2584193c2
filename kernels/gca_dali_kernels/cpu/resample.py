"""Antialiased crop and resize in Numba; twin of `reference.render_views.resample`.

A tent filter of the width of a view's pixel, separable. What makes it cheap: views share a
pyramid of halved images, and read the level at which they still shrink by `LEAST_SCALE`. The tent
is narrowed by the variance that the halving has already added, so that the sum keeps its width.
"""

from __future__ import annotations

import math

import numpy as np

from gca_dali_kernels.cpu.compiled import fused, making_part, part, pasted

NUM_TOGETHER = 8  # rows whose columns `sum_columns` sums at once
# PSNR against the unhalved filter is above 50 dB on chest and hip radiographs; 1.0 gives 45 dB.
LEAST_SCALE = 1.25
# Averaging two pixels adds 1/4 px² of variance, a tent of support s has s²/6: s² shrinks by 3/2.
HALVING_SUPPORT = 1.5
# 255 · 4**4 is still below 2**16, see `halve`.
MOST_HALVINGS = 4
F32 = np.float32
# Numba compiles once more for each literal that it is given.
ZERO, UNFLIPPED = np.int64(0), np.int32(0)


@making_part
def halve(source, corner, sums) -> None:
    """Write the sums of squares of 2 by 2 pixels, from `corner` (y, x) of the source on.

    Sums and not averages: those of uint8 stay exact in uint16, half the memory of float32.
    """
    y0, x0 = corner
    kind = sums.dtype.type
    num_rows, num_columns = sums.shape
    for i in range(num_rows):
        upper = source[y0 + 2 * i, x0 : x0 + 2 * num_columns]
        lower = source[y0 + 2 * i + 1, x0 : x0 + 2 * num_columns]
        line = sums[i]
        for j in range(num_columns):
            above = kind(kind(upper[2 * j]) + kind(upper[2 * j + 1]))
            below = kind(kind(lower[2 * j]) + kind(lower[2 * j + 1]))
            line[j] = above + below


@making_part
def choose_level(scale_y, scale_x, height, width):
    """Return how often the image is halved before the view is read from it."""
    scale = min(scale_y, scale_x)
    level = 0
    while scale >= 2 * LEAST_SCALE and min(height, width) >= 2 and level < MOST_HALVINGS:
        scale, height, width = scale / 2, height // 2, width // 2
        level += 1
    return level


@making_part
def tent_support(scale, level):
    """Return half the tent's width in pixels of `level`; `scale` is in pixels of the original."""
    if level == 0:
        return max(scale, 1.0)
    added = HALVING_SUPPORT * (4.0**level - 1.0) / 3.0
    return max(math.sqrt(max(scale * scale - added, 0.0)) * 0.5**level, 1.0)


@part
def tent_taps(centre, support, low, high, weights, i):
    """Write normalised tent weights of the pixels around `centre` in low…high − 1 into row `i`.

    Returns the first pixel. All of the row is written; pixels beyond the tent weigh 0.
    """
    num_taps = weights.shape[1]
    first = math.floor(centre - support + 0.5)
    first = max(min(first, high - num_taps), low)
    slope, total = 1.0 / support, 0.0
    for k in range(num_taps):
        weight = max(0.0, 1.0 - abs(first + k + 0.5 - centre) * slope)
        weights[i, k] = weight
        total += weight
    if total == 0.0:
        weights[i, 0 if centre < first else num_taps - 1] = total = 1.0
    scale = F32(1.0 / total)
    for k in range(num_taps):
        weights[i, k] *= scale
    return first


@making_part
def axis_taps(edges, bounds, level, num_rows, support, flip):
    """Return first pixels, int64, [n], and weights, float32, [n, taps], of a view's rows.

    `edges` are the window's start and end in pixels of the original; `bounds` is the range of
    level pixels that the view may see; `flip` takes the rows from the end.
    """
    num_taps = min(math.ceil(2 * support), bounds[1] - bounds[0])
    firsts, weights = np.empty(num_rows, np.int64), np.empty((num_rows, num_taps), F32)
    fill_taps(edges, bounds, level, support, flip, firsts, weights)
    return firsts, weights


@part
def fill_taps(edges, bounds, level, support, flip, firsts, weights) -> None:
    """Write what `axis_taps` returns."""
    num_rows = len(firsts)
    start, scale = edges[0], (edges[1] - edges[0]) / num_rows
    for i in range(num_rows):
        from_start = num_rows - 1 - i if flip else i
        centre = (start + (from_start + 0.5) * scale) * 0.5**level
        firsts[i] = tent_taps(centre, support, bounds[0], bounds[1], weights, i)


@making_part
def level_bounds(start, end, length, level, level_length):
    """Return the range of level pixels that hold the original's pixels start to end."""
    low = min(int(max(math.floor(start), 0) * 0.5**level), level_length - 1)
    high = math.ceil(min(math.ceil(end), length) * 0.5**level)
    return low, max(min(high, level_length), low + 1)


@fused
def sum_rows(source, first, weights, columns, target) -> None:
    """Write the weighted sum of rows `first` onwards, up to four at a time: loads are the cost."""
    low, high = columns
    num_columns, num_taps = high - low, len(weights)
    done = (num_taps - 1) % 4 + 1  # a remainder first, which need not be added to zeros
    row_0, weight_0 = source[first, low:high], weights[0]
    row_1, weight_1 = source[first + min(1, done - 1), low:high], weights[min(1, done - 1)]
    row_2, weight_2 = source[first + min(2, done - 1), low:high], weights[min(2, done - 1)]
    row_3, weight_3 = source[first + done - 1, low:high], weights[done - 1]
    if done == 1:
        for x in range(num_columns):
            target[x] = weight_0 * F32(row_0[x])
    elif done == 2:
        for x in range(num_columns):
            target[x] = weight_0 * F32(row_0[x]) + weight_1 * F32(row_1[x])
    elif done == 3:
        for x in range(num_columns):
            near = weight_0 * F32(row_0[x]) + weight_1 * F32(row_1[x])
            target[x] = near + weight_2 * F32(row_2[x])
    else:
        for x in range(num_columns):
            near = weight_0 * F32(row_0[x]) + weight_1 * F32(row_1[x])
            target[x] = near + weight_2 * F32(row_2[x]) + weight_3 * F32(row_3[x])
    while done < num_taps:
        row_0, weight_0 = source[first + done, low:high], weights[done]
        row_1, weight_1 = source[first + done + 1, low:high], weights[done + 1]
        row_2, weight_2 = source[first + done + 2, low:high], weights[done + 2]
        row_3, weight_3 = source[first + done + 3, low:high], weights[done + 3]
        for x in range(num_columns):
            near = weight_0 * F32(row_0[x]) + weight_1 * F32(row_1[x])
            target[x] += near + weight_2 * F32(row_2[x]) + weight_3 * F32(row_3[x])
        done += 4


@pasted
def sum_eight(rows, low, column_taps, num_taps, sums) -> None:
    """Do what `sum_columns` does; where `num_taps` is a literal, the compiler unrolls its loop."""
    firsts, weights = column_taps
    row_0, row_1, row_2, row_3 = rows[0], rows[1], rows[2], rows[3]
    row_4, row_5, row_6, row_7 = rows[4], rows[5], rows[6], rows[7]
    for j in range(len(firsts)):
        x = np.uint64(firsts[j] - low)
        sum_0 = sum_1 = sum_2 = sum_3 = sum_4 = sum_5 = sum_6 = sum_7 = F32(0.0)
        for k in range(num_taps):
            weight = weights[j, k]
            sum_0, sum_1 = sum_0 + weight * row_0[x], sum_1 + weight * row_1[x]
            sum_2, sum_3 = sum_2 + weight * row_2[x], sum_3 + weight * row_3[x]
            sum_4, sum_5 = sum_4 + weight * row_4[x], sum_5 + weight * row_5[x]
            sum_6, sum_7 = sum_6 + weight * row_6[x], sum_7 + weight * row_7[x]
            x += np.uint64(1)
        sums[0, j], sums[1, j], sums[2, j], sums[3, j] = sum_0, sum_1, sum_2, sum_3
        sums[4, j], sums[5, j], sums[6, j], sums[7, j] = sum_4, sum_5, sum_6, sum_7


@fused
def sum_columns(rows, low, column_taps, sums) -> None:
    """Write the weighted sums of columns of eight rows, which begin at column `low`.

    Eight at a time, so that each weight is read once; a sum's columns lie too unevenly for SIMD.
    """
    num_taps = column_taps[1].shape[1]
    if num_taps == 2:
        sum_eight(rows, low, column_taps, 2, sums)
    elif num_taps == 3:
        sum_eight(rows, low, column_taps, 3, sums)
    elif num_taps == 4:
        sum_eight(rows, low, column_taps, 4, sums)
    elif num_taps == 5:
        sum_eight(rows, low, column_taps, 5, sums)
    else:
        sum_eight(rows, low, column_taps, num_taps, sums)


@part
def sum_by_eights(source, row_taps, low, column_taps, rows, spare, view) -> None:
    """Do what `sum_separable` does, in memory that it provides."""
    row_firsts, row_weights = row_taps
    num_rows = view.shape[0]
    columns = (low, low + rows.shape[1])
    for first in range(0, num_rows, NUM_TOGETHER):
        last = min(first + NUM_TOGETHER, num_rows)
        for i in range(first, last):
            sum_rows(source, row_firsts[i], row_weights[i], columns, rows[i - first])
        if last - first == NUM_TOGETHER:
            sum_columns(rows, low, column_taps, view[first:last])
        else:
            sum_columns(rows, low, column_taps, spare)
            for i in range(first, last):
                for j in range(view.shape[1]):
                    view[i, j] = spare[i - first, j]


@making_part
def sum_separable(source, row_taps, column_taps, view) -> None:
    """Write weighted sums of rows, then of columns, eight rows at a time: they fit the L1 cache."""
    column_firsts, column_weights = column_taps
    low = min(column_firsts[0], column_firsts[-1])
    high = max(column_firsts[0], column_firsts[-1]) + column_weights.shape[1]
    rows = np.zeros((NUM_TOGETHER, high - low), F32)
    spare = np.empty((NUM_TOGETHER, view.shape[1]), F32)
    sum_by_eights(source, row_taps, low, column_taps, rows, spare, view)


@making_part
def resample_upright(source, window, shape, level, flip, view) -> None:
    """Crop, resize and flip an upright window (y0, x0, y1, x1 in pixels of the original).

    `source` is the image after `level` halvings, `shape` that of the original.
    """
    num_rows, num_columns = view.shape
    y0, x0, y1, x1 = window
    rows_seen = level_bounds(y0, y1, shape[0], level, source.shape[0])
    columns_seen = level_bounds(x0, x1, shape[1], level, source.shape[1])
    support_y = tent_support((y1 - y0) / num_rows, level)
    support_x = tent_support((x1 - x0) / num_columns, level)
    row_taps = axis_taps((y0, y1), rows_seen, level, num_rows, support_y, UNFLIPPED)
    column_taps = axis_taps((x0, x1), columns_seen, level, num_columns, support_x, flip)
    sum_separable(source, row_taps, column_taps, view)


@making_part
def resample_turned(source, window, shape, level, turn, outside, view) -> None:
    """Crop, resize, flip and rotate by `turn` (cosine, sine, flip).

    A centre outside the image gives `outside`.
    """
    num_rows, num_columns = view.shape
    y0, x0, y1, x1 = window
    shrink = 0.5**level
    support_y = tent_support((y1 - y0) / num_rows, level)
    support_x = tent_support((x1 - x0) / num_columns, level)
    height, width = source.shape
    row_weights = np.empty((1, min(math.ceil(2 * support_y), height)), F32)
    column_weights = np.empty((1, min(math.ceil(2 * support_x), width)), F32)
    for j in range(num_columns):
        u = ((j + 0.5) / num_columns - 0.5) * (x1 - x0)
        if turn[2]:
            u = -u
        for i in range(num_rows):
            v = ((i + 0.5) / num_rows - 0.5) * (y1 - y0)
            y = (y0 + y1) / 2 + turn[0] * v + turn[1] * u
            x = (x0 + x1) / 2 + turn[0] * u - turn[1] * v
            total = F32(outside)
            if 0.0 <= y < shape[0] and 0.0 <= x < shape[1]:
                row = tent_taps(y * shrink, support_y, ZERO, height, row_weights, ZERO)
                column = tent_taps(x * shrink, support_x, ZERO, width, column_weights, ZERO)
                total = F32(0.0)
                for k in range(row_weights.shape[1]):
                    line, part = source[row + k], F32(0.0)
                    for m in range(column_weights.shape[1]):
                        part += column_weights[0, m] * F32(line[column + m])
                    total += row_weights[0, k] * part
            view[i, j] = total
