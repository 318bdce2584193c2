"""Where the pixels of a view lie, and which pixels of its image it sees.

Shared by `resample_views` and `finish_views`.
"""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.compiled import making_part
from gca_dali_kernels.cpu.philox import draw
from gca_dali_kernels.law import UNITS_PER_CELL
from gca_dali_kernels.philox import APPEARANCE


@making_part
def plane(pixels, place, b):
    """Return the memory of a view of image `b`, [height, width]."""
    num_pixels = place[1] * place[2]
    first = place[3] + b * num_pixels
    return pixels[first : first + num_pixels].reshape(place[1], place[2])


@making_part
def resampled_plane(v, key, records, target):
    """Return the memory that view `v` is resampled to: its own, or where blurring reads it."""
    pixels, sharp, places, b = target
    if draw(key, APPEARANCE | (v << 8), np.int64(1))[1] >= records[v].blur_q32:
        return plane(pixels, places[v], b)
    first, height, width = places[v, 4], places[v, 1], places[v, 2]
    return sharp[first : first + height * width].reshape(height, width)


@making_part
def window_px(window, grid, shape):
    """Return y0, x0, y1, x1 of a window in pixels of the image."""
    extent_y, extent_x = grid[0] * UNITS_PER_CELL, grid[1] * UNITS_PER_CELL
    return (
        window[0] * shape[0] / extent_y,
        window[1] * shape[1] / extent_x,
        window[2] * shape[0] / extent_y,
        window[3] * shape[1] / extent_x,
    )
