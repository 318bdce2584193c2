"""Sizes and places of a view, and the attended point of an image; twin of `reference.draw`."""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.compiled import inlined, part
from gca_dali_kernels.cpu.integers import integer_root, quotient
from gca_dali_kernels.cpu.philox import draw
from gca_dali_kernels.law import (
    AREA,
    CONTRASTIVE_CROP,
    FOCUS_MARGIN_TENTHS,
    NUM_SIZE_ATTEMPTS,
)
from gca_dali_kernels.philox import FOCUS, SIZE


@part
def measure_image(integral, mark, shape):
    """Return √(W/H), √(H/W) and a cell's width over its height (Q16), the map's sum and its box."""
    height_px, width_px = np.int64(shape[0]), np.int64(shape[1])
    return (
        integer_root(quotient(width_px << 32, height_px)),
        integer_root(quotient(height_px << 32, width_px)),
        cell_aspect(integral, shape),
        np.int64(integral[-1, -1]),
        np.int64(mark[0]) << 8,
        np.int64(mark[1]) << 8,
        np.int64(mark[2]) << 8,
        np.int64(mark[3]) << 8,
    )


@part
def cell_aspect(integral, shape):
    """Return a cell's width over its height in pixels, Q16."""
    height, width = (integral.shape[0] - 1) << 8, (integral.shape[1] - 1) << 8
    return max(quotient(np.int64(shape[1]) * height << 16, np.int64(shape[0]) * width), 1)


@part
def draw_focus(integral, key):
    """Return the attended point of an image in units, (-1, -1) for a map without mass."""
    last_row, last_column = integral.shape[0] - 1, integral.shape[1] - 1
    total = np.int64(integral[last_row, last_column])
    if total == 0:
        return np.int64(-1), np.int64(-1)
    words = draw(key, FOCUS, 0)
    # The upper half of (words 0 and 1) · total, whose product has more than 64 bits.
    level = (words[0] * total + (words[1] * total >> 32)) >> 32
    row, beyond = 0, last_row
    while beyond - row > 1:
        middle = (row + beyond) >> 1
        if np.int64(integral[middle, last_column]) <= level:
            row = middle
        else:
            beyond = middle
    level -= np.int64(integral[row, last_column])
    column, beyond = 0, last_column
    while beyond - column > 1:
        middle = (column + beyond) >> 1
        if np.int64(integral[row + 1, middle]) - np.int64(integral[row, middle]) <= level:
            column = middle
        else:
            beyond = middle
    return np.int64(row << 8) + (words[2] >> 24), np.int64(column << 8) + (words[3] >> 24)


@inlined
def draw_size(extent, image, key, view, law, aspects_q16, number):
    """Draw a size: the first of ten that fits; else the last, kept at its area."""
    height, width = extent
    h, w, area = np.int64(0), np.int64(0), np.int64(0)
    for attempt in range(NUM_SIZE_ATTEMPTS):
        words = draw(key, SIZE | (view << 8), number + attempt)
        drawn = law.size_low + ((law.size_high - law.size_low) * (words[0] >> 1) >> 31)
        if law.size != AREA:
            return max((height << 16) // drawn, 1), max((width << 16) // drawn, 1)
        area, side_q16 = drawn, integer_root(drawn)
        aspect = aspects_q16[words[1] >> 22]
        h = max(quotient(height * side_q16 * image[0], aspect) >> 16, 1)
        w = max(((width * side_q16 * image[1]) >> 16) * aspect >> 32, 1)
        if h <= height and w <= width:
            return h, w
    if w > width:
        return min(max(area * height >> 32, 1), height), width
    return height, min(max(area * width >> 32, 1), width)


@inlined
def draw_place(extent, size, words, law, image, focus, betas_q16):
    """Draw a place: uniform, or by ContrastiveCrop's Beta law around the box of the map."""
    h, w = size
    if law.law != CONTRASTIVE_CROP:
        return (
            uniform_start(words[0], h, extent[0], focus[0]),
            uniform_start(words[1], w, extent[1], focus[1]),
        )
    return (
        beta_start(words[0], image[4], image[6], h, extent[0], betas_q16),
        beta_start(words[1], image[5], image[7], w, extent[1], betas_q16),
    )


@part
def uniform_start(word, length, extent, point):
    """Place one side: anywhere, or where the point lies in its inner 80 % (`point` ≥ 0)."""
    first, last = np.int64(0), extent - length
    if point >= 0:
        margin = length * FOCUS_MARGIN_TENTHS // 10
        low, high = point - (length - 1 - margin), point - margin
        first, last = min(max(low, first), last), min(max(high, first), last)
    return first + (word * (last - first + 1) >> 32)


@part
def beta_start(word, low, high, length, extent, betas_q16):
    """Place one side by a Beta draw over the centres that lie in [low, high]."""
    first = max(low - length // 2, 0)
    last = min(high - length // 2, extent - length)
    step, fraction = word >> 22, (word >> 6) & 0xFFFF
    near, far = betas_q16[step], betas_q16[step + 1]
    beta = near + ((far - near) * fraction >> 16)
    start = first + ((last - first) * beta >> 16)
    return min(max(start, 0), extent - length)
