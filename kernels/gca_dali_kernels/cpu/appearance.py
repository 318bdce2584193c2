"""Blur, contrast, noise, mask, cutout and normalisation in Numba; twin of `reference.render_views`.

Enters: a resampled view, float32, with intensities 0 to 1. Leaves: the same array, changed in
place, in the order that the reference documents.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from gca_dali_kernels.cpu.philox import draw
from gca_dali_kernels.look import HARD_MASK, NO_MASK, NOISE_DEVIATION, NOISE_MEAN, SOFT_MASK
from gca_dali_kernels.philox import APPEARANCE, NOISE

F32 = np.float32
WORD = 2.0**-32


@njit(nogil=True, cache=True)
def between(word, low, high):
    """Return a random word as a number in low…high."""
    return low + (high - low) * (word * WORD)


@njit(nogil=True, cache=True)
def change_intensity(view, look, key, v, scratch):
    """Blur, contrast and brightness, gamma, solarize, noise; return whether the mask applies."""
    first = draw(key, APPEARANCE | (v << 8), 0)
    second = draw(key, APPEARANCE | (v << 8), 1)
    third = draw(key, APPEARANCE | (v << 8), 2)
    if second[1] < look.blur_q32:
        sigma = between(second[2], look.blur_sigma_px_low, look.blur_sigma_px_high)
        blur(view, sigma, scratch)
    if first[0] < look.jitter_q32:
        brightness = between(first[1], look.brightness_low, look.brightness_high)
        contrast = between(first[2], look.contrast_low, look.contrast_high)
        factor, offset = F32(brightness * contrast), F32(brightness * 0.5 * (1.0 - contrast))
        for i in range(view.shape[0]):
            line = view[i]
            for j in range(view.shape[1]):
                line[j] = min(max(factor * line[j] + offset, F32(0.0)), F32(1.0))
    if first[3] < look.gamma_q32:
        exponent = F32(between(second[0], look.gamma_low, look.gamma_high))
        for i in range(view.shape[0]):
            for j in range(view.shape[1]):
                view[i, j] = view[i, j] ** exponent
    if second[3] < look.solarize_q32:
        for i in range(view.shape[0]):
            for j in range(view.shape[1]):
                if view[i, j] >= F32(0.5):
                    view[i, j] = F32(1.0) - view[i, j]
    if third[0] < look.noise_q32:
        add_noise(view, between(third[2], look.noise_sigma_low, look.noise_sigma_high), key, v)
    return look.mask != NO_MASK and third[1] < look.mask_q32


@njit(nogil=True, cache=True)
def blur(view, sigma, scratch) -> None:
    """Blur with a Gaussian cut at 3 sigma; the border pixels repeat outwards."""
    num_rows, num_columns = view.shape
    radius = math.ceil(3.0 * sigma)
    weights = np.empty(2 * radius + 1, F32)
    total = 0.0
    for k in range(-radius, radius + 1):
        total += math.exp(-0.5 * (k / sigma) ** 2)
    for k in range(-radius, radius + 1):
        weights[k + radius] = math.exp(-0.5 * (k / sigma) ** 2) / total
    padded = np.empty(num_columns + 2 * radius, F32)
    for i in range(num_rows):
        line, target = view[i], scratch[i]
        padded[:radius] = line[0]
        padded[radius : radius + num_columns] = line
        padded[radius + num_columns :] = line[num_columns - 1]
        sum_shifted(padded, weights, target)
    for i in range(num_rows):
        line = view[i]
        middle, weight = scratch[i], weights[radius]
        for j in range(num_columns):
            line[j] = weight * middle[j]
        for k in range(1, radius + 1):
            above, below = scratch[max(i - k, 0)], scratch[min(i + k, num_rows - 1)]
            weight = weights[radius + k]
            for j in range(num_columns):
                line[j] += weight * (above[j] + below[j])


@njit(nogil=True, cache=True)
def sum_shifted(padded, weights, target) -> None:
    """Write the convolution of a padded line with symmetric weights."""
    radius, num_columns = len(weights) // 2, len(target)
    middle = padded[radius : radius + num_columns]
    weight = weights[radius]
    for j in range(num_columns):
        target[j] = weight * middle[j]
    for k in range(1, radius + 1):
        left, right = padded[radius - k : radius - k + num_columns], padded[radius + k :]
        weight = weights[radius + k]
        for j in range(num_columns):
            target[j] += weight * (left[j] + right[j])


@njit(nogil=True, cache=True)
def add_noise(view, sigma, key, v) -> None:
    """Add the sum of four 16-bit words per pixel, scaled to `sigma`, and clip."""
    num_columns = view.shape[1]
    scale = sigma / NOISE_DEVIATION
    for pixel in range(0, view.size, 2):
        words = draw(key, NOISE | (v << 8), pixel // 2)
        for half in range(min(2, view.size - pixel)):
            near, far = (words[0], words[1]) if half == 0 else (words[2], words[3])
            total = (near & 0xFFFF) + (near >> 16) + (far & 0xFFFF) + (far >> 16)
            i, j = (pixel + half) // num_columns, (pixel + half) % num_columns
            value = view[i, j] + F32((total - NOISE_MEAN) * scale)
            view[i, j] = min(max(value, F32(0.0)), F32(1.0))


@njit(nogil=True, cache=True)
def apply_mask(view, saliency, look, level, frame) -> None:
    """Multiply by the gaze mask, the map read bilinearly at each pixel's centre.

    `frame` is (y, x of the view's centre; y and x step per row; y and x step per column) in cells.
    """
    num_rows, num_columns = view.shape
    height, width = saliency.shape
    cy, cx, row_y, row_x, column_y, column_x = frame
    for i in range(num_rows):
        v = i + 0.5 - num_rows / 2
        for j in range(num_columns):
            u = j + 0.5 - num_columns / 2
            y = min(max(cy + row_y * v + column_y * u - 0.5, 0.0), height - 1.0)
            x = min(max(cx + row_x * v + column_x * u - 0.5, 0.0), width - 1.0)
            row, column = min(int(y), max(height - 2, 0)), min(int(x), max(width - 2, 0))
            below, right = min(row + 1, height - 1), min(column + 1, width - 1)
            fy, fx = y - row, x - column
            upper = saliency[row, column] * (1 - fx) + saliency[row, right] * fx
            lower = saliency[below, column] * (1 - fx) + saliency[below, right] * fx
            value = upper * (1 - fy) + lower * fy
            if look.mask == SOFT_MASK:
                view[i, j] *= F32(min(value / 255.0 + 0.1, 1.0))
            elif look.mask == HARD_MASK and value < level - 0.5:
                view[i, j] = F32(0.0)


@njit(nogil=True, cache=True)
def finish_view(view, cutout, look, target) -> None:
    """Black out the cutout, normalise, and write the view."""
    num_rows, num_columns = view.shape
    scale, offset = F32(1.0 / look.deviation), F32(-look.mean / look.deviation)
    for i in range(num_rows):
        line, out = view[i], target[i]
        for j in range(num_columns):
            out[j] = line[j] * scale + offset
        centre = (2 * i + 1) << 15
        if cutout[0] * num_rows <= centre < cutout[2] * num_rows:
            for j in range(num_columns):
                if cutout[1] * num_columns <= ((2 * j + 1) << 15) < cutout[3] * num_columns:
                    out[j] = offset
