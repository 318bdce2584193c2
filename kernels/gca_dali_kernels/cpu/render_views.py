"""Render views in Numba; twin of `reference.render_views`, the same within a stated tolerance.

Views of one image share a pyramid of halved images (see `resample`), which makes a further view
cost little beside the decoding of the image.
"""

from __future__ import annotations

import math

import numpy as np

from gca_dali_kernels.cpu import ahead
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
from gca_dali_kernels.cpu.compiled import compiled, making_part
from gca_dali_kernels.cpu.parallel import run_parallel
from gca_dali_kernels.cpu.philox import draw
from gca_dali_kernels.cpu.resample import (
    axis_taps,
    choose_level,
    halve,
    resample_turned,
    resample_upright,
    sum_separable,
    tent_taps,
)
from gca_dali_kernels.law import UNITS_PER_CELL
from gca_dali_kernels.look import NO_MASK, SOFT_MASK, GroupLooks, ViewLook
from gca_dali_kernels.philox import APPEARANCE
from gca_dali_kernels.reference.draw import UPRIGHT

F32 = np.float32
# Numba compiles once more for each literal that it is given.
ZERO, ONE, UNFLIPPED = np.int64(0), np.int64(1), np.int32(0)


def render_views(
    images: list[np.ndarray],
    ranges: np.ndarray,
    plan: tuple[np.ndarray, ...],
    index: np.ndarray,
    key: tuple[int, int],
    groups: tuple[GroupLooks, ...],
    num_threads: int = 1,
) -> tuple[np.ndarray, ...]:
    """Render the views of all groups, of each of B images; see `reference.render_views`.

    Parameters
    ----------
    plan : tuple of numpy.ndarray
        Maps, marks, windows, turns and cutouts, as the reference takes them in two tuples.
    groups : tuple of GroupLooks
        All groups in order: they share one pyramid of each image.
    num_threads : int
        0 means one per core; the views do not depend on it.

    Returns
    -------
    tuple of numpy.ndarray, float32
        [views of the group, B, height, width] for each group, in one piece of memory.
    """
    ahead.wait()
    records = np.concatenate([group.records for group in groups])
    rotations = np.stack([group.rotations_q16 for group in groups])
    words = np.array([key[0], key[1], 0], np.uint64)
    maps, marks, windows, turns, cutouts = plan
    shapes = [(len(group.looks), len(images), *group.size) for group in groups]
    starts = np.cumsum([0, *(math.prod(shape) for shape in shapes)]).tolist()
    pixels = np.empty(starts[-1], np.float32)
    places = lay_out_views(shapes, starts)

    def work(first: int, last: int) -> None:
        sharp = np.empty(places[-1, 4] + places[-1, 1] * places[-1, 2], np.float32)
        for b in range(first, last):
            image = read_only(images[b])
            one_key = words.copy()
            one_key[2] = index[b]
            seen = (ranges[b], windows[b], turns[b], maps[b].shape)
            looks, target = (one_key, rotations, records), (pixels, sharp, places, b)
            resample_views(image, like_sums(image.dtype), seen, looks, target)
            saliency = (read_only(maps[b]), marks[b], windows[b], turns[b], cutouts[b])
            finish_views(saliency, image.shape, looks, target)

    run_parallel(work, len(images), num_threads)
    ends = zip(starts, starts[1:], shapes, strict=False)
    return tuple(pixels[first:last].reshape(shape) for first, last, shape in ends)


def lay_out_views(shapes: list[tuple[int, ...]], starts: list[int]) -> np.ndarray:
    """Return group, height and width of each view, and where its pixels lie, int64, [V, 5].

    Those of image 0 among all pixels, where image b's lie b times as many behind; and among the
    pixels of one image alone.
    """
    rows, num_pixels = [], 0
    for group, ((num_views, num_images, height, width), start) in enumerate(
        zip(shapes, starts, strict=False)
    ):
        step = num_images * height * width
        for view in range(num_views):
            rows.append((group, height, width, start + view * step, num_pixels))
            num_pixels += height * width
    return np.array(rows, np.int64)


def compile_for(dtype: str) -> None:
    """Compile what depends on the type of the images, "uint8" or "uint16", on one of 8 × 8."""
    image = read_only(np.zeros((8, 8), dtype))
    looks = GroupLooks((ViewLook(),), (1, 1))
    places = lay_out_views([(1, 1, 1, 1)], [0])
    pixels = np.empty(1, np.float32)
    windows = np.array([[0, 0, UNITS_PER_CELL, UNITS_PER_CELL]], np.int32)
    seen = (np.array([0, 1], np.float32), windows, np.zeros((1, 2), np.int32), (1, 1))
    key = np.zeros(3, np.uint64)
    given = (key, looks.rotations_q16[None], looks.records)
    resample_views(image, like_sums(image.dtype), seen, given, (pixels, pixels, places, 0))


def like_sums(dtype: np.dtype) -> np.ndarray:
    """Return an empty array of the type of the sums of such pixels."""
    return np.empty(0, np.uint16 if dtype == np.uint8 else F32)


def read_only(image: np.ndarray) -> np.ndarray:
    """Return a view of the image that cannot be written, as a memory map or bytes give it.

    Numba compiles for each of the two; so it compiles once.
    """
    image = image.view()
    image.flags.writeable = False
    return image


@compiled
def resample_views(image, like, seen, looks, target) -> None:
    """Crop and resize all views of one image, from the level of the pyramid that suits each.

    `like` is an empty array of the type of that pyramid. Views that are to be blurred go to
    memory of their own.
    """
    shape, (_, windows, turns, grid), places = image.shape, seen, target[2]
    num_views = len(places)
    levels = np.empty(num_views, np.int64)
    for v in range(num_views):
        y0, x0, y1, x1 = window_px(windows[v], grid, shape)
        scales = (y1 - y0) / places[v, 1], (x1 - x0) / places[v, 2]
        levels[v] = choose_level(scales[0], scales[1], shape[0], shape[1])
        if levels[v] == 0:
            resample_one(image, (ZERO, ZERO), shape, levels[v], v, seen, looks, target)
    highest = levels.max()
    if highest == 0:
        return
    top, left, bottom, right = seen_region(windows, turns, levels, highest, grid, shape)
    sums = np.empty(((bottom - top) // 2, (right - left) // 2), like.dtype)
    halve(image, (top, left), sums)
    for level in range(ONE, highest + ONE):
        for v in range(num_views):
            if levels[v] == level:
                resample_one(sums, (top, left), shape, level, v, seen, looks, target)
        if level < highest:
            smaller = np.empty((sums.shape[0] // 2, sums.shape[1] // 2), sums.dtype)
            halve(sums, (ZERO, ZERO), smaller)
            sums = smaller


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
    if draw(key, APPEARANCE | (v << 8), ONE)[1] >= records[v].blur_q32:
        return plane(pixels, places[v], b)
    first, height, width = places[v, 4], places[v, 1], places[v, 2]
    return sharp[first : first + height * width].reshape(height, width)


@making_part
def seen_region(windows, turns, levels, highest, grid, shape):
    """Return the part of the image (y0, x0, y1, x1) that the shrunk views see, in whole squares."""
    square = 1 << highest
    top, left, bottom, right = shape[0], shape[1], 0, 0
    for v in range(len(levels)):
        if levels[v] > 0:
            y0, x0, y1, x1 = window_px(windows[v], grid, shape)
            if turns[v, 0] != UPRIGHT:
                y0, x0, y1, x1 = 0.0, 0.0, float(shape[0]), float(shape[1])
            top, left = min(top, int(y0)), min(left, int(x0))
            bottom, right = max(bottom, math.ceil(y1)), max(right, math.ceil(x1))
    top, left = top // square * square, left // square * square
    bottom = min(-(-bottom // square) * square, shape[0])
    right = min(-(-right // square) * square, shape[1])
    return top, left, bottom, right


@making_part
def resample_one(source, corner, shape, level, v, seen, looks, target) -> None:
    """Resample view `v` from the sums after `level` halvings, which begin at `corner`; 0 to 1."""
    (ranges, windows, turns, grid), (key, rotations, records) = seen, looks
    view = resampled_plane(v, key, records, target)
    y0, x0, y1, x1 = window_px(windows[v], grid, shape)
    window = (y0 - corner[0], x0 - corner[1], y1 - corner[0], x1 - corner[1])
    rest = (shape[0] - corner[0], shape[1] - corner[1])
    low, high = ranges[0] * F32(4.0**level), ranges[1] * F32(4.0**level)
    step, flip = turns[v, 0], turns[v, 1]
    if step == UPRIGHT:
        resample_upright(source, window, rest, level, flip, view)
    else:
        rotation = rotations[target[2][v, 0], step]
        turn = (rotation[0] / 65536.0, rotation[1] / 65536.0, flip)
        resample_turned(source, window, rest, level, turn, low, view)
    scale_intensity(view, F32(1.0) / (high - low), low / (low - high))


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
        sum_separable(saliency, row_taps, column_taps, values)
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
