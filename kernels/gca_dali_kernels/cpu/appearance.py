"""Blur, contrast, noise, mask, cutout and normalisation in Numba; twin of `reference.render_views`.

Enters: a resampled view, float32. Leaves: the same memory, finished in the order that the
reference documents.
"""

from __future__ import annotations

import math

import numpy as np

from gca_dali_kernels.cpu.compiled import compiled, fused
from gca_dali_kernels.cpu.philox import draw
from gca_dali_kernels.cpu.resample import sum_rows
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
def gaussian_weights(sigma):
    """Return the weights of a Gaussian cut at 3 sigma, float32, [2 · radius + 1]."""
    radius = math.ceil(3.0 * sigma)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return (weights / weights.sum()).astype(F32)


@compiled
def fold_weights(weights, i, length):
    """Return the first pixel around `i`, and weights where those beyond the border fall on it."""
    radius = len(weights) // 2
    num_taps = min(len(weights), length)
    first = min(max(i - radius, 0), length - num_taps)
    folded = np.zeros(num_taps, F32)
    for k in range(-radius, radius + 1):
        folded[min(max(i + k, 0), length - 1) - first] += weights[k + radius]
    return first, folded


@fused
def sum_neighbours(line, weights, target) -> None:
    """Write Σ weights[k] · line[j + k] for each j, four at a time: loads are what it costs."""
    num_columns, num_taps = len(target), len(weights)
    done = num_taps % 4
    target[:] = F32(0.0)
    for k in range(done):
        for j in range(num_columns):
            target[j] += weights[k] * line[j + k]
    while done < num_taps:
        weight_0, weight_1 = weights[done], weights[done + 1]
        weight_2, weight_3 = weights[done + 2], weights[done + 3]
        near = line[done : done + num_columns + 3]
        for j in range(num_columns):
            pair = weight_0 * near[j] + weight_1 * near[j + 1]
            target[j] += pair + weight_2 * near[j + 2] + weight_3 * near[j + 3]
        done += 4


@compiled
def blur(sharp, sigma, view) -> None:
    """Write the view blurred by a Gaussian; the border pixels repeat."""
    num_rows, num_columns = sharp.shape
    weights = gaussian_weights(sigma)
    radius = len(weights) // 2
    line = np.empty(num_columns + 2 * radius, F32)
    for i in range(num_rows):
        first, folded = fold_weights(weights, i, num_rows)
        inner = line[radius : radius + num_columns]
        sum_rows(sharp, first, folded, (0, num_columns), inner)
        line[:radius], line[radius + num_columns :] = inner[0], inner[-1]
        sum_neighbours(line, weights, view[i])


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
def finish_view(view, cutout, look) -> None:
    """Normalise, and black out the cutout."""
    num_rows, num_columns = view.shape
    scale, offset = F32(1.0 / look.deviation), F32(-look.mean / look.deviation)
    for i in range(num_rows):
        line = view[i]
        for j in range(num_columns):
            line[j] = line[j] * scale + offset
    top, bottom = covered_range(cutout[0], cutout[2], num_rows)
    left, right = covered_range(cutout[1], cutout[3], num_columns)
    for i in range(top, bottom):
        view[i, left:right] = offset


@compiled
def covered_range(start, end, num_pixels):
    """Return the first and last + 1 pixel whose centre lies between two edges (Q16)."""
    # (2i + 1) / 2n ≥ start / 65536 is i ≥ (start·n − 32768) / 65536, rounded up.
    first = (np.int64(start) * num_pixels + 32767) >> 16
    last = (np.int64(end) * num_pixels + 32767) >> 16
    return first, last
