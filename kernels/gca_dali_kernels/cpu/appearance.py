"""Blur, contrast, noise, mask, cutout and normalisation in Numba; twin of `reference.render_views`.

Enters: a resampled view, float32, transposed, before it is flipped. Leaves: the finished view, in
the order that the reference documents.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from gca_dali_kernels.cpu.philox import draw
from gca_dali_kernels.look import NOISE_DEVIATION, NOISE_MEAN
from gca_dali_kernels.philox import NOISE

F32 = np.float32
ZERO, ONE = F32(0.0), F32(1.0)
WORD = 2.0**-32


@njit(nogil=True, cache=True)
def between(word, low, high):
    """Return a random word as a number in low…high."""
    return low + (high - low) * (word * WORD)


@njit(nogil=True, cache=True)
def scale_intensity(view, scale, offset) -> None:
    """Scale, add and clip to 0…1."""
    for j in range(view.shape[0]):
        line = view[j]
        for i in range(view.shape[1]):
            line[i] = min(max(scale * line[i] + offset, ZERO), ONE)


@njit(nogil=True, cache=True)
def raise_to(view, exponent) -> None:
    """Apply a gamma."""
    for j in range(view.shape[0]):
        for i in range(view.shape[1]):
            view[j, i] = view[j, i] ** exponent


@njit(nogil=True, cache=True)
def solarize(view) -> None:
    """Invert intensities of at least 0.5."""
    for j in range(view.shape[0]):
        for i in range(view.shape[1]):
            if view[j, i] >= F32(0.5):
                view[j, i] = ONE - view[j, i]


@njit(nogil=True, cache=True)
def gaussian_weights(sigma):
    """Return the middle weight and those beside it, cut at 3 sigma, padded to threes with zeros."""
    radius = int(math.ceil(3.0 * sigma))
    weights = np.zeros(1 + (radius + 2) // 3 * 3, F32)
    total = 1.0
    for k in range(1, radius + 1):
        total += 2.0 * math.exp(-0.5 * (k / sigma) ** 2)
    for k in range(radius + 1):
        weights[k] = math.exp(-0.5 * (k / sigma) ** 2) / total
    return weights


@njit(nogil=True, cache=True)
def blur(view, sigma, scratch) -> None:
    """Blur with a Gaussian; the border pixels repeat outwards."""
    num_lines, length = view.shape
    weights = gaussian_weights(sigma)
    radius = len(weights) - 1
    padded = np.empty(length + 2 * radius, F32)
    for j in range(num_lines):
        line, target = view[j], scratch[j]
        padded[:radius] = line[0]
        padded[radius : radius + length] = line
        padded[radius + length :] = line[length - 1]
        middle, weight = padded[radius : radius + length], weights[0]
        for i in range(length):
            target[i] = weight * middle[i]
        for k in range(1, radius, 3):
            add_six(
                (padded[radius - k :], padded[radius - k - 1 :], padded[radius - k - 2 :]),
                (padded[radius + k :], padded[radius + k + 1 :], padded[radius + k + 2 :]),
                weights[k : k + 3],
                target,
            )
    last = num_lines - 1
    for j in range(num_lines):
        line, middle, weight = view[j], scratch[j], weights[0]
        for i in range(length):
            line[i] = weight * middle[i]
        for k in range(1, radius, 3):
            add_six(
                (scratch[max(j - k, 0)], scratch[max(j - k - 1, 0)], scratch[max(j - k - 2, 0)]),
                (
                    scratch[min(j + k, last)],
                    scratch[min(j + k + 1, last)],
                    scratch[min(j + k + 2, last)],
                ),
                weights[k : k + 3],
                line,
            )


@njit(nogil=True, cache=True)
def add_six(before, after, weights, target) -> None:
    """Add three pairs of equally far lines, each times its weight: fewer passes over `target`."""
    b0, b1, b2 = before
    a0, a1, a2 = after
    w0, w1, w2 = weights[0], weights[1], weights[2]
    for i in range(len(target)):
        target[i] += w0 * (b0[i] + a0[i]) + w1 * (b1[i] + a1[i]) + w2 * (b2[i] + a2[i])


@njit(nogil=True, cache=True)
def add_noise(view, sigma, flip, key, v) -> None:
    """Add the sum of four 16-bit words per pixel, scaled to `sigma`, and clip."""
    num_columns, num_rows = view.shape
    scale = sigma / NOISE_DEVIATION
    for pixel in range(0, view.size, 2):
        words = draw(key, NOISE | (v << 8), pixel // 2)
        for half in range(min(2, view.size - pixel)):
            near, far = (words[0], words[1]) if half == 0 else (words[2], words[3])
            total = (near & 0xFFFF) + (near >> 16) + (far & 0xFFFF) + (far >> 16)
            i, j = (pixel + half) // num_columns, (pixel + half) % num_columns
            if flip:
                j = num_columns - 1 - j
            value = view[j, i] + F32((total - NOISE_MEAN) * scale)
            view[j, i] = min(max(value, ZERO), ONE)


@njit(nogil=True, cache=True)
def mask_softly(view, saliency) -> None:
    """Multiply by saliency (0…255) over 255 plus 0.1, at most 1."""
    for j in range(view.shape[0]):
        line, values = view[j], saliency[j]
        for i in range(view.shape[1]):
            line[i] *= min(values[i] * F32(1 / 255) + F32(0.1), ONE)


@njit(nogil=True, cache=True)
def mask_hard(view, saliency, level) -> None:
    """Blacken where the saliency is below `level`."""
    for j in range(view.shape[0]):
        line, values = view[j], saliency[j]
        for i in range(view.shape[1]):
            if values[i] < level - F32(0.5):
                line[i] = ZERO


@njit(nogil=True, cache=True)
def finish_view(view, cutout, flip, look, target) -> None:
    """Normalise, transpose, flip, black out the cutout, and write the view, [rows, columns]."""
    num_columns, num_rows = view.shape
    scale, offset = F32(1.0 / look.deviation), F32(-look.mean / look.deviation)
    for first in range(0, num_columns, 8):
        last = min(first + 8, num_columns)
        for i in range(num_rows):
            line = target[i]
            for j in range(first, last):
                line[num_columns - 1 - j if flip else j] = view[j, i] * scale + offset
    for i in range(num_rows):
        line, centre = target[i], (2 * i + 1) << 15
        if cutout[0] * num_rows <= centre < cutout[2] * num_rows:
            for j in range(num_columns):
                if cutout[1] * num_columns <= ((2 * j + 1) << 15) < cutout[3] * num_columns:
                    line[j] = offset
