"""Blur, contrast, noise, mask, cutout and normalisation in Numba; twin of `reference.render_views`.

Enters: a resampled view, float32, transposed until it is blurred. Leaves: the finished view, in
the order that the reference documents.
"""

from __future__ import annotations

import math

import numpy as np

from gca_dali_kernels.cpu.compiled import compiled
from gca_dali_kernels.cpu.philox import draw
from gca_dali_kernels.cpu.resample import sum_separable
from gca_dali_kernels.look import NOISE_DEVIATION, NOISE_MEAN
from gca_dali_kernels.philox import NOISE

F32 = np.float32
ZERO, ONE = F32(0.0), F32(1.0)
WORD = 2.0**-32


@compiled
def between(word, low, high):
    """Return a random word as a number in low…high."""
    return low + (high - low) * (word * WORD)


@compiled
def scale_intensity(view, scale, offset) -> None:
    """Scale, add and clip to 0…1."""
    for i in range(view.shape[0]):
        line = view[i]
        for j in range(view.shape[1]):
            line[j] = min(max(scale * line[j] + offset, ZERO), ONE)


@compiled
def raise_to(view, exponent) -> None:
    """Apply a gamma."""
    for i in range(view.shape[0]):
        for j in range(view.shape[1]):
            view[i, j] = view[i, j] ** exponent


@compiled
def solarize(view) -> None:
    """Invert intensities of at least 0.5."""
    for i in range(view.shape[0]):
        for j in range(view.shape[1]):
            if view[i, j] >= F32(0.5):
                view[i, j] = ONE - view[i, j]


@compiled
def gaussian_taps(sigma, length):
    """Return first pixels and weights of a Gaussian cut at 3 sigma; the border pixels repeat."""
    radius = math.ceil(3.0 * sigma)
    num_taps = min(2 * radius + 1, length)
    firsts, weights = np.empty(length, np.int64), np.zeros((length, num_taps), F32)
    gaussian = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    gaussian /= gaussian.sum()
    for i in range(length):
        firsts[i] = min(max(i - radius, 0), length - num_taps)
        for k in range(-radius, radius + 1):
            weights[i, min(max(i + k, 0), length - 1) - firsts[i]] += F32(gaussian[k + radius])
    return firsts, weights


@compiled
def blur(turned_view, sigma, view) -> None:
    """Blur a transposed view with a Gaussian; the result is upright."""
    num_columns, num_rows = turned_view.shape
    row_taps, column_taps = gaussian_taps(sigma, num_columns), gaussian_taps(sigma, num_rows)
    sum_separable(turned_view, row_taps, column_taps, view)


@compiled
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
            view[i, j] = min(max(value, ZERO), ONE)


@compiled
def mask_softly(view, saliency) -> None:
    """Multiply by saliency (0…255) over 255 plus 0.1, at most 1."""
    for i in range(view.shape[0]):
        line, values = view[i], saliency[i]
        for j in range(view.shape[1]):
            line[j] *= min(values[j] * F32(1 / 255) + F32(0.1), ONE)


@compiled
def mask_hard(view, saliency, level) -> None:
    """Blacken where the saliency is below `level`."""
    for i in range(view.shape[0]):
        line, values = view[i], saliency[i]
        for j in range(view.shape[1]):
            if values[j] < level - F32(0.5):
                line[j] = ZERO


@compiled
def finish_view(view, cutout, look, target) -> None:
    """Normalise, black out the cutout, and write the view."""
    num_rows, num_columns = view.shape
    scale, offset = F32(1.0 / look.deviation), F32(-look.mean / look.deviation)
    for i in range(num_rows):
        source, line = view[i], target[i]
        for j in range(num_columns):
            line[j] = source[j] * scale + offset
    top, bottom = covered_range(cutout[0], cutout[2], num_rows)
    left, right = covered_range(cutout[1], cutout[3], num_columns)
    for i in range(top, bottom):
        target[i, left:right] = offset


@compiled
def covered_range(start, end, num_pixels):
    """Return the first and last + 1 pixel whose centre lies between two edges (Q16)."""
    # (2i + 1) / 2n ≥ start / 65536 is i ≥ (start·n − 32768) / 65536, rounded up.
    first = (np.int64(start) * num_pixels + 32767) >> 16
    last = (np.int64(end) * num_pixels + 32767) >> 16
    return first, last
