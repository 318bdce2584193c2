"""Blur, contrast, noise, mask, cutout and normalisation in Numba; twin of `reference.render_views`.

Enters: a resampled view, float32. Leaves: the same memory, finished in the order that the
reference documents.
"""

from __future__ import annotations

import math

import numpy as np

from gca_dali_kernels.cpu.compiled import fused, making_part, part
from gca_dali_kernels.cpu.philox import draw
from gca_dali_kernels.look import NOISE_DEVIATION, NOISE_MEAN
from gca_dali_kernels.philox import NOISE

F32 = np.float32
ZERO, ONE = F32(0.0), F32(1.0)
WORD = 2.0**-32


@making_part
def between(word, low, high):
    """Return a random word as a number in low…high."""
    return low + (high - low) * (word * WORD)


@making_part
def scale_intensity(view, scale, offset) -> None:
    """Scale, add and clip to 0…1."""
    for i in range(view.shape[0]):
        line = view[i]
        for j in range(view.shape[1]):
            line[j] = min(max(scale * line[j] + offset, ZERO), ONE)


@making_part
def raise_to(view, exponent) -> None:
    """Apply a gamma."""
    for i in range(view.shape[0]):
        for j in range(view.shape[1]):
            view[i, j] = view[i, j] ** exponent


@making_part
def solarize(view) -> None:
    """Invert intensities of at least 0.5."""
    for i in range(view.shape[0]):
        for j in range(view.shape[1]):
            if view[i, j] >= F32(0.5):
                view[i, j] = ONE - view[i, j]


@making_part
def gaussian_weights(sigma):
    """Return the centre's weight and those to one side of a Gaussian cut at 3 sigma, float32."""
    weights = np.exp(-0.5 * (np.arange(math.ceil(3.0 * sigma) + 1) / sigma) ** 2)
    return (weights / (2.0 * weights.sum() - weights[0])).astype(F32)


@fused
def sum_first(centre, before, after, weights, target) -> None:
    """Write the weighted sum of a line and the two beside it."""
    for j in range(len(target)):
        target[j] = weights[0] * centre[j] + weights[1] * (before[j] + after[j])


@fused
def add_pair(before, after, weight, target) -> None:
    """Add two lines that lie equally far from the centre."""
    for j in range(len(target)):
        target[j] += weight * (before[j] + after[j])


@fused
def add_pairs(near, far, weights, target) -> None:
    """Add two pairs of lines, the nearer first: half the loads and stores of two calls."""
    before, after = near
    further_before, further_after = far
    for j in range(len(target)):
        nearer = target[j] + weights[0] * (before[j] + after[j])
        target[j] = nearer + weights[1] * (further_before[j] + further_after[j])


@part
def blur_lines(sharp, weights, line, view) -> None:
    """Blur along columns into `line`, whose ends repeat the border, then along it."""
    num_rows, num_columns = sharp.shape
    radius = len(weights) - 1
    inner = line[radius : radius + num_columns]
    first = 3 if radius % 2 == 0 else 2  # of those that are added two at a time
    for i in range(num_rows):
        sum_first(sharp[i], sharp[max(i - 1, 0)], sharp[min(i + 1, num_rows - 1)], weights, inner)
        for k in range(2, first):
            add_pair(sharp[max(i - k, 0)], sharp[min(i + k, num_rows - 1)], weights[k], inner)
        for k in range(first, radius, 2):
            near = sharp[max(i - k, 0)], sharp[min(i + k, num_rows - 1)]
            far = sharp[max(i - k - 1, 0)], sharp[min(i + k + 1, num_rows - 1)]
            add_pairs(near, far, weights[k : k + 2], inner)
        for k in range(radius):
            line[k], line[radius + num_columns + k] = inner[0], inner[num_columns - 1]
        sum_first(inner, line[radius - 1 :], line[radius + 1 :], weights, view[i])
        for k in range(2, first):
            add_pair(line[radius - k :], line[radius + k :], weights[k], view[i])
        for k in range(first, radius, 2):
            near = line[radius - k :], line[radius + k :]
            far = line[radius - k - 1 :], line[radius + k + 1 :]
            add_pairs(near, far, weights[k : k + 2], view[i])


@making_part
def blur(sharp, sigma, view) -> None:
    """Write the view blurred by a Gaussian; the border pixels repeat."""
    weights = gaussian_weights(sigma)
    blur_lines(sharp, weights, np.empty(sharp.shape[1] + 2 * (len(weights) - 1), F32), view)


@making_part
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


@making_part
def mask_softly(view, saliency, floor) -> None:
    """Multiply by saliency (0…255) over 255 plus a floor, at most 1."""
    for i in range(view.shape[0]):
        line, values = view[i], saliency[i]
        for j in range(view.shape[1]):
            line[j] *= min(values[j] * F32(1 / 255) + floor, ONE)


@making_part
def mask_hard(view, saliency, level) -> None:
    """Blacken where the saliency is below `level`."""
    for i in range(view.shape[0]):
        line, values = view[i], saliency[i]
        for j in range(view.shape[1]):
            if values[j] < level - F32(0.5):
                line[j] = ZERO


@making_part
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


@making_part
def covered_range(start, end, num_pixels):
    """Return the first and last + 1 pixel whose centre lies between two edges (Q16)."""
    # (2i + 1) / 2n ≥ start / 65536 is i ≥ (start·n − 32768) / 65536, rounded up.
    first = (np.int64(start) * num_pixels + 32767) >> 16
    last = (np.int64(end) * num_pixels + 32767) >> 16
    return first, last
