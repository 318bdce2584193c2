"""Render views: the specification, in float64.

Enters: decoded images of any size and what `sample_windows` and `sample_cutouts` chose. Leaves:
normalised views. The order is fixed: crop, resize, rotate and flip in one resampling; blur;
contrast and brightness; gamma; solarize; noise; gaze mask; cutout; normalise. Blur comes first so
that it does not soften mask and cutout, which come last so that nothing brightens their black.
"""

from __future__ import annotations

import math

import numpy as np

from gca_dali_kernels import philox
from gca_dali_kernels.law import UNITS_PER_CELL
from gca_dali_kernels.look import (
    HARD_MASK,
    NOISE_DEVIATION,
    NOISE_MEAN,
    SOFT_MASK,
    GroupLooks,
    ViewLook,
)
from gca_dali_kernels.reference.draw import UPRIGHT

WORD = 2.0**-32


def render_views(
    images: list[np.ndarray],
    ranges: np.ndarray,
    saliency: tuple[np.ndarray, np.ndarray],
    plan: tuple[np.ndarray, np.ndarray, np.ndarray],
    index: np.ndarray,
    key: tuple[int, int],
    looks: GroupLooks,
) -> np.ndarray:
    """Render the views of one group, of each of B images.

    Parameters
    ----------
    images : list of numpy.ndarray, uint8 | uint16 | float32, B × [H, W]
    ranges : numpy.ndarray, float32, [B, 2]
        The source values that become 0 and 1; values beyond are clipped after resampling.
    saliency : tuple of numpy.ndarray
        Maps, uint8, [B, h, w], and marks, int32, [B, 5], of `integrate_maps`.
    plan : tuple of numpy.ndarray
        Windows, int32, [B, V, 4]; turns, int32, [B, V, 2]; cutouts, int32, [B, V, 4].
    index : numpy.ndarray, int64, [B]
    key : tuple of int
        Seed and epoch.
    looks : GroupLooks
        Looks, size and first view of the group.

    Returns
    -------
    numpy.ndarray, float64, [B, views of the group, height, width]
    """
    size = looks.size
    views = np.zeros((len(images), len(looks.looks), *size))
    for b, image in enumerate(images):
        low, high = (float(value) for value in ranges[b])
        for place, look in enumerate(looks.looks):
            v = looks.first_view + place
            windows, turns, cutouts = plan
            step, flip = (int(value) for value in turns[b, v])
            turn = None if step == UPRIGHT else tuple(looks.rotations_q16[step] / 2**16)
            grid = saliency[0].shape[1:]
            centres = view_centres(windows[b, v], grid, image.shape, (turn, flip), size)
            window = window_px(windows[b, v], grid, image.shape)
            view = resample(image, window, centres, turn is not None)
            view = (view - low) / (high - low)
            words = Words(key, int(index[b]), v)
            view = change_intensity(np.clip(view, 0.0, 1.0), look, words)
            mask = mask_factor(saliency[0][b], saliency[1][b, 4], centres, image.shape, look)
            if words.chance(2, 1, look.mask_probability):
                view = view * mask
            view[covered_pixels(cutouts[b, v], size)] = 0.0
            views[b, place] = (view - look.mean) / look.deviation
    return views


class Words:
    """The random words of one view's appearance."""

    def __init__(self, key: tuple[int, int], index: int, view: int) -> None:
        """Keep the key."""
        self.key, self.index, self.view = key, index, view

    def uniform(self, number: int, word: int, ends: tuple[float, float] = (0.0, 1.0)) -> float:
        """Return word `word` of draw `number` as a float in the range `ends`."""
        words = self.draw(philox.APPEARANCE, number)
        return ends[0] + (ends[1] - ends[0]) * (words[word] * WORD)

    def chance(self, number: int, word: int, probability: float) -> bool:
        """Tell whether an event of this probability happens."""
        return self.draw(philox.APPEARANCE, number)[word] < round(probability * 2**32)

    def draw(self, kind: int, number: int) -> tuple[int, ...]:
        """Return four words of this view."""
        return philox.draw(*self.key, self.index, philox.purpose_of(kind, self.view), number)


def window_px(window: np.ndarray, grid: tuple[int, int], shape: tuple[int, int]) -> tuple:
    """Return y0, x0, y1, x1 of a window in pixels of the image, float."""
    scale = (shape[0], shape[1]) * 2
    extent = (grid[0] * UNITS_PER_CELL, grid[1] * UNITS_PER_CELL) * 2
    return tuple(int(e) * s / x for e, s, x in zip(window, scale, extent, strict=True))


def view_centres(
    window: np.ndarray,
    grid: tuple[int, int],
    shape: tuple[int, int],
    turn: tuple[tuple[float, float] | None, int],
    size: tuple[int, int],
) -> np.ndarray:
    """Return where the centre of each pixel of the view lies in the image, [height, width, 2]."""
    y0, x0, y1, x1 = window_px(window, grid, shape)
    v = ((np.arange(size[0]) + 0.5) / size[0] - 0.5)[:, None] * (y1 - y0)
    u = ((np.arange(size[1]) + 0.5) / size[1] - 0.5)[None, :] * (x1 - x0)
    rotation, flip = turn
    if flip:
        u = -u
    cosine, sine = rotation or (1.0, 0.0)
    y = (y0 + y1) / 2 + cosine * v + sine * u
    x = (x0 + x1) / 2 + cosine * u - sine * v
    return np.stack([y, x], axis=-1)


def resample(image: np.ndarray, window: tuple, centres: np.ndarray, turned: bool) -> np.ndarray:
    """Average the image around each centre with a tent as wide as a view's pixel, at least one.

    This is `torchvision.transforms.v2.functional.resized_crop(antialias=True)` for upright
    windows on pixel borders: the tent sees the window's pixels only. A turned window sees the
    whole image; a centre outside the image gives 0.
    """
    num_rows, num_columns = centres.shape[:2]
    supports = (
        max((window[2] - window[0]) / num_rows, 1.0),
        max((window[3] - window[1]) / num_columns, 1.0),
    )
    bounds = [(0, image.shape[0]), (0, image.shape[1])]
    if not turned:
        bounds = [
            (max(math.floor(window[a]), 0), min(math.ceil(window[a + 2]), image.shape[a]))
            for a in (0, 1)
        ]
        rows = tent_weights(centres[:, 0, 0], supports[0], *bounds[0])
        columns = tent_weights(centres[0, :, 1], supports[1], *bounds[1])
        part = image[bounds[0][0] : bounds[0][1], bounds[1][0] : bounds[1][1]]
        return rows @ part.astype(np.float64) @ columns.T
    view = np.zeros((num_rows, num_columns))
    for i in range(num_rows):
        for j in range(num_columns):
            y, x = centres[i, j]
            if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
                row = tent_weights(np.array([y]), supports[0], *bounds[0])[0]
                column = tent_weights(np.array([x]), supports[1], *bounds[1])[0]
                view[i, j] = row @ image.astype(np.float64) @ column
    return view


def tent_weights(centres: np.ndarray, support: float, low: int, high: int) -> np.ndarray:
    """Return normalised tent weights of pixels low…high − 1 for each centre, [centres, pixels]."""
    pixels = np.arange(low, high) + 0.5
    weights = np.maximum(0.0, 1.0 - np.abs(pixels[None, :] - centres[:, None]) / support)
    return weights / weights.sum(axis=1, keepdims=True)


def change_intensity(view: np.ndarray, look: ViewLook, words: Words) -> np.ndarray:
    """Blur, contrast and brightness, gamma, solarize, noise; intensities stay in 0 to 1."""
    if words.chance(1, 1, look.blur):
        view = blur(view, words.uniform(1, 2, look.blur_sigma_px))
    if words.chance(0, 0, look.jitter):
        brightness = words.uniform(0, 1, look.brightness)
        contrast = words.uniform(0, 2, look.contrast)
        view = np.clip(brightness * (0.5 + contrast * (view - 0.5)), 0.0, 1.0)
    if words.chance(0, 3, look.gamma_probability):
        view = view ** words.uniform(1, 0, look.gamma)
    if words.chance(1, 3, look.solarize):
        view = np.where(view >= 0.5, 1.0 - view, view)
    if words.chance(2, 0, look.noise):
        sigma = words.uniform(2, 2, look.noise_sigma)
        view = np.clip(view + sigma * noise(view.shape, words), 0.0, 1.0)
    return view


def blur(view: np.ndarray, sigma: float) -> np.ndarray:
    """Blur with a Gaussian cut at 3 sigma; the border pixels repeat outwards."""
    radius = math.ceil(3.0 * sigma)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        widths = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(view, widths, mode="edge")
        view = np.apply_along_axis(np.convolve, axis, padded, weights, mode="valid")
    return view


def noise(shape: tuple[int, int], words: Words) -> np.ndarray:
    """Return noise of unit variance: four 16-bit words summed (Irwin–Hall), exact in integers."""
    values = np.zeros(shape[0] * shape[1])
    for pixel in range(len(values)):
        drawn = words.draw(philox.NOISE, pixel // 2)
        pair = drawn[:2] if pixel % 2 == 0 else drawn[2:]
        total = sum((word & 0xFFFF) + (word >> 16) for word in pair)
        values[pixel] = (total - NOISE_MEAN) / NOISE_DEVIATION
    return values.reshape(shape)


def mask_factor(
    saliency: np.ndarray, level: int, centres: np.ndarray, shape: tuple[int, int], look: ViewLook
) -> np.ndarray:
    """Return the gaze mask's factor at each pixel of the view, from the bilinear map."""
    from_map = [
        np.clip(centres[..., a] * (saliency.shape[a] / shape[a]) - 0.5, 0, saliency.shape[a] - 1)
        for a in (0, 1)
    ]
    y, x = from_map
    row = np.minimum(y.astype(int), max(saliency.shape[0] - 2, 0))
    column = np.minimum(x.astype(int), max(saliency.shape[1] - 2, 0))
    below = np.minimum(row + 1, saliency.shape[0] - 1)
    right = np.minimum(column + 1, saliency.shape[1] - 1)
    fy, fx = y - row, x - column
    values = saliency.astype(np.float64)
    upper = values[row, column] * (1 - fx) + values[row, right] * fx
    lower = values[below, column] * (1 - fx) + values[below, right] * fx
    value = upper * (1 - fy) + lower * fy
    kind = look.record["mask"]
    if kind == SOFT_MASK:
        return np.minimum(value / 255.0 + look.mask_floor, 1.0)
    if kind == HARD_MASK:
        return (value >= level - 0.5).astype(np.float64)
    return np.ones(value.shape)


def covered_pixels(cutout: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return which pixels' centres lie in the cutout, bool, [height, width]."""
    y0, x0, y1, x1 = (int(edge) for edge in cutout)
    # Centre (2i + 1) / (2·height) against edge / 65536, both times 2·height·65536.
    rows = (2 * np.arange(size[0]) + 1) << 15
    columns = (2 * np.arange(size[1]) + 1) << 15
    inside_rows = (rows >= y0 * size[0]) & (rows < y1 * size[0])
    inside_columns = (columns >= x0 * size[1]) & (columns < x1 * size[1])
    return inside_rows[:, None] & inside_columns[None, :]
