"""Change the looks of all resampled views of an image: a kernel for images of all types.

Enters: resampled views, the maps that masks are made of, and cutouts. Leaves: finished views.
"""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.appearance import (
    add_noise,
    between,
    blur,
    finish_view,
    mask_hard,
    mask_softly,
    raise_to,
    scale_intensity,
    solarize,
)
from gca_dali_kernels.cpu.compiled import compiled, fused, making_part
from gca_dali_kernels.cpu.philox import draw
from gca_dali_kernels.cpu.planes import plane, resampled_plane, window_px
from gca_dali_kernels.cpu.resample import axis_taps, tent_taps
from gca_dali_kernels.look import NO_MASK, SOFT_MASK
from gca_dali_kernels.philox import APPEARANCE
from gca_dali_kernels.reference.draw import UPRIGHT

F32 = np.float32
# Numba compiles once more for each literal that it is given.
ZERO, UNFLIPPED = np.int64(0), np.int32(0)


@compiled
def finish_views(saliency, shape, looks, target) -> None:
    """Change the looks of all resampled views of one image, in the order of the reference.

    A kernel of its own: compiled once, whatever the type of the image.
    """
    (grid, mark, windows, turns, cutouts), (key, rotations, records) = saliency, looks
    pixels, _, places, b = target
    for v in range(len(places)):
        view, look = plane(pixels, places[v], b), records[v]
        first = draw(key, APPEARANCE | (v << 8), np.int64(0))
        second = draw(key, APPEARANCE | (v << 8), np.int64(1))
        third = draw(key, APPEARANCE | (v << 8), np.int64(2))
        if second[1] < look.blur_q32:
            sigma = between(second[2], look.blur_sigma_px_low, look.blur_sigma_px_high)
            blur(resampled_plane(v, key, records, target), sigma, view)
        if first[0] < look.jitter_q32:
            brightness = between(first[1], look.brightness_low, look.brightness_high)
            contrast = between(first[2], look.contrast_low, look.contrast_high)
            offset = F32(brightness * 0.5 * (1 - contrast))
            scale_intensity(view, F32(brightness * contrast), offset)
        if first[3] < look.gamma_q32:
            raise_to(view, F32(between(second[0], look.gamma_low, look.gamma_high)))
        if second[3] < look.solarize_q32:
            solarize(view)
        if third[0] < look.noise_q32:
            sigma = between(third[2], look.noise_sigma_low, look.noise_sigma_high)
            add_noise(view, sigma, key, v)
        if look.mask != NO_MASK and third[1] < look.mask_q32:
            cosine, sine = 1.0, 0.0
            if turns[v, 0] != UPRIGHT:
                rotation = rotations[places[v, 0], turns[v, 0]]
                cosine, sine = rotation[0] / 65536.0, rotation[1] / 65536.0
            values = np.empty(view.shape, F32)
            window = window_px(windows[v], grid.shape, shape)
            view_saliency(grid, window, shape, (cosine, sine, turns[v, 1]), values)
            if look.mask == SOFT_MASK:
                mask_softly(view, values, F32(look.mask_floor))
            else:
                mask_hard(view, values, mark[4])
        finish_view(view, cutouts[v], look)


@making_part
def view_saliency(saliency, window, shape, turn, values) -> None:
    """Read the map bilinearly at each pixel of the view; the borders repeat outwards."""
    height, width = saliency.shape
    cells_y, cells_x = height / shape[0], width / shape[1]
    y0, x0, y1, x1 = window
    y0, x0, y1, x1 = y0 * cells_y, x0 * cells_x, y1 * cells_y, x1 * cells_x
    num_rows, num_columns = values.shape
    support = np.float64(1.0)
    if turn[1] == 0.0:
        row_taps = axis_taps((y0, y1), (ZERO, height), ZERO, num_rows, support, UNFLIPPED)
        column_taps = axis_taps((x0, x1), (ZERO, width), ZERO, num_columns, support, turn[2])
        low, high = row_taps[0][0], row_taps[0][-1] + row_taps[1].shape[1]
        wide = np.empty((high - low, num_columns), F32)
        stretch_map(saliency, low, row_taps, column_taps, wide, values)
        return
    row_weights = np.empty((1, min(2, height)), F32)
    column_weights = np.empty((1, min(2, width)), F32)
    for j in range(num_columns):
        u = ((j + 0.5) / num_columns - 0.5) * (window[3] - window[1])
        if turn[2]:
            u = -u
        for i in range(num_rows):
            v = ((i + 0.5) / num_rows - 0.5) * (window[2] - window[0])
            y = (y0 + y1) / 2 + (turn[0] * v + turn[1] * u) * cells_y
            x = (x0 + x1) / 2 + (turn[0] * u - turn[1] * v) * cells_x
            row = tent_taps(y, support, ZERO, height, row_weights, ZERO)
            column = tent_taps(x, support, ZERO, width, column_weights, ZERO)
            total = F32(0.0)
            for k in range(row_weights.shape[1]):
                for m in range(column_weights.shape[1]):
                    weight = row_weights[0, k] * column_weights[0, m]
                    total += weight * F32(saliency[row + k, column + m])
            values[i, j] = total


@fused
def stretch_map(saliency, low, row_taps, column_taps, wide, values) -> None:
    """Write the map's columns from row `low` on between its cells to `wide`, then those' rows.

    In this order, because a map has fewer rows than a view. Taps are one or two.
    """
    firsts, weights = column_taps
    for y in range(wide.shape[0]):
        line, target = saliency[low + y], wide[y]
        for j in range(len(firsts)):
            total = F32(0.0)
            for k in range(weights.shape[1]):
                total += weights[j, k] * F32(line[firsts[j] + k])
            target[j] = total
    firsts, weights = row_taps
    last = weights.shape[1] - 1
    for i in range(len(firsts)):
        line, near, far = values[i], wide[firsts[i] - low], wide[firsts[i] - low + last]
        nearer, farther = weights[i, 0], weights[i, last] if last > 0 else F32(0.0)
        for j in range(len(line)):
            line[j] = nearer * near[j] + farther * far[j]
