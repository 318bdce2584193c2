"""Render views in Numba; twin of `reference.render_views`, the same within a stated tolerance.

Views of one image share a pyramid of halved images (see `resample`), which makes a further view
cost little beside the decoding of the image.
"""

from __future__ import annotations

import math

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
from gca_dali_kernels.cpu.compiled import compiled
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
from gca_dali_kernels.look import NO_MASK, SOFT_MASK, GroupLooks
from gca_dali_kernels.philox import APPEARANCE
from gca_dali_kernels.reference.draw import UPRIGHT

F32 = np.float32


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
    records = np.concatenate([group.records for group in groups])
    rotations = np.stack([group.rotations_q16 for group in groups])
    words = np.array([key[0], key[1], 0], np.uint64)
    maps, marks, windows, turns, cutouts = plan
    shapes = [(len(group.looks), len(images), *group.size) for group in groups]
    starts = np.cumsum([0, *(math.prod(shape) for shape in shapes)]).tolist()
    pixels = np.empty(starts[-1], np.float32)
    places = lay_out_views(shapes, starts)

    def work(first: int, last: int) -> None:
        for b in range(first, last):
            one_key = words.copy()
            one_key[2] = index[b]
            render_image(
                read_only(images[b]),
                np.empty(0, np.uint16 if images[b].dtype == np.uint8 else F32),
                (ranges[b], maps[b], marks[b]),
                (windows[b], turns[b], cutouts[b]),
                one_key,
                (rotations, records, places),
                pixels,
                b,
            )

    run_parallel(work, len(images), num_threads)
    ends = zip(starts, starts[1:], shapes, strict=False)
    return tuple(pixels[first:last].reshape(shape) for first, last, shape in ends)


def lay_out_views(shapes: list[tuple[int, ...]], starts: list[int]) -> np.ndarray:
    """Return where the views of image 0 lie: group, height, width and first pixel, int64, [V, 4].

    The views of image b lie b times their pixels behind.
    """
    rows = []
    for group, ((num_views, num_images, height, width), start) in enumerate(
        zip(shapes, starts, strict=False)
    ):
        step = num_images * height * width
        rows += [(group, height, width, start + view * step) for view in range(num_views)]
    return np.array(rows, np.int64)


def read_only(image: np.ndarray) -> np.ndarray:
    """Return a view of the image that cannot be written, as a memory map or bytes give it.

    Numba compiles for each of the two; so it compiles once.
    """
    image = image.view()
    image.flags.writeable = False
    return image


@compiled
def render_image(image, like_sums, saliency, plan, key, looks, pixels, b) -> None:
    """Render all views of one image, from the level of the pyramid that suits each.

    `like_sums` is an empty array of the type of that pyramid.
    """
    shape, places = image.shape, looks[2]
    num_views = len(places)
    inputs = (saliency, plan, key, looks)
    levels = np.empty(num_views, np.int64)
    for v in range(num_views):
        y0, x0, y1, x1 = window_px(plan[0][v], saliency[1].shape, shape)
        scales = (y1 - y0) / places[v, 1], (x1 - x0) / places[v, 2]
        levels[v] = choose_level(scales[0], scales[1], shape[0], shape[1])
        if levels[v] == 0:
            render_one(image, (0, 0), shape, 0, v, inputs, plane(pixels, places[v], b))
    highest = levels.max()
    if highest == 0:
        return
    top, left, bottom, right = seen_region(plan, levels, highest, saliency[1].shape, shape)
    sums = np.empty(((bottom - top) // 2, (right - left) // 2), like_sums.dtype)
    halve(image, (top, left), sums)
    for level in range(1, highest + 1):
        for v in range(num_views):
            if levels[v] == level:
                view = plane(pixels, places[v], b)
                render_one(sums, (top, left), shape, level, v, inputs, view)
        if level < highest:
            smaller = np.empty((sums.shape[0] // 2, sums.shape[1] // 2), sums.dtype)
            halve(sums, (0, 0), smaller)
            sums = smaller


@compiled
def plane(pixels, place, b):
    """Return the memory of a view of image `b`, [height, width]."""
    num_pixels = place[1] * place[2]
    first = place[3] + b * num_pixels
    return pixels[first : first + num_pixels].reshape(place[1], place[2])


@compiled
def seen_region(plan, levels, highest, grid, shape):
    """Return the part of the image (y0, x0, y1, x1) that the shrunk views see, in whole squares."""
    windows, turns = plan[0], plan[1]
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


@compiled
def render_one(source, corner, shape, level, v, inputs, view) -> None:
    """Render view `v` from the sums after `level` halvings, which begin at `corner`."""
    (ranges, saliency, mark), (windows, turns, cutouts), key, (rotations, looks, places) = inputs
    look, flip, step = looks[v], turns[v, 1], turns[v, 0]
    window = window_px(windows[v], saliency.shape, shape)
    y0, x0, y1, x1 = window
    seen = (y0 - corner[0], x0 - corner[1], y1 - corner[0], x1 - corner[1])
    rest = (shape[0] - corner[0], shape[1] - corner[1])
    first = draw(key, APPEARANCE | (v << 8), 0)
    second = draw(key, APPEARANCE | (v << 8), 1)
    third = draw(key, APPEARANCE | (v << 8), 2)
    blurred = second[1] < look.blur_q32
    sharp = np.empty(view.shape, F32) if blurred else view
    low, high = ranges[0] * F32(4.0**level), ranges[1] * F32(4.0**level)
    cosine, sine = 1.0, 0.0
    if step == UPRIGHT:
        resample_upright(source, seen, rest, level, flip, sharp)
    else:
        rotation = rotations[places[v, 0], step]
        cosine, sine = rotation[0] / 65536.0, rotation[1] / 65536.0
        resample_turned(source, seen, rest, level, (cosine, sine, flip), low, sharp)
    scale_intensity(sharp, F32(1.0) / (high - low), low / (low - high))
    if blurred:
        sigma = between(second[2], look.blur_sigma_px_low, look.blur_sigma_px_high)
        blur(sharp, sigma, view)
    if first[0] < look.jitter_q32:
        brightness = between(first[1], look.brightness_low, look.brightness_high)
        contrast = between(first[2], look.contrast_low, look.contrast_high)
        scale_intensity(view, F32(brightness * contrast), F32(brightness * 0.5 * (1 - contrast)))
    if first[3] < look.gamma_q32:
        raise_to(view, F32(between(second[0], look.gamma_low, look.gamma_high)))
    if second[3] < look.solarize_q32:
        solarize(view)
    if third[0] < look.noise_q32:
        sigma = between(third[2], look.noise_sigma_low, look.noise_sigma_high)
        add_noise(view, sigma, key, v)
    if look.mask != NO_MASK and third[1] < look.mask_q32:
        values = np.empty(view.shape, F32)
        view_saliency(saliency, window, shape, (cosine, sine, flip), values)
        if look.mask == SOFT_MASK:
            mask_softly(view, values, F32(look.mask_floor))
        else:
            mask_hard(view, values, mark[4])
    finish_view(view, cutouts[v], look)


@compiled
def view_saliency(saliency, window, shape, turn, values) -> None:
    """Read the map bilinearly at each pixel of the view; the borders repeat outwards."""
    height, width = saliency.shape
    cells_y, cells_x = height / shape[0], width / shape[1]
    y0, x0, y1, x1 = window
    y0, x0, y1, x1 = y0 * cells_y, x0 * cells_x, y1 * cells_y, x1 * cells_x
    num_rows, num_columns = values.shape
    if turn[1] == 0.0:
        row_taps = axis_taps((y0, y1), (0, height), 0, num_rows, 1.0, False)
        column_taps = axis_taps((x0, x1), (0, width), 0, num_columns, 1.0, turn[2])
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
            row = tent_taps(y, 1.0, 0, height, row_weights, 0)
            column = tent_taps(x, 1.0, 0, width, column_weights, 0)
            total = F32(0.0)
            for k in range(row_weights.shape[1]):
                for m in range(column_weights.shape[1]):
                    weight = row_weights[0, k] * column_weights[0, m]
                    total += weight * F32(saliency[row + k, column + m])
            values[i, j] = total


@compiled
def window_px(window, grid, shape):
    """Return y0, x0, y1, x1 of a window in pixels of the image."""
    extent_y, extent_x = grid[0] * UNITS_PER_CELL, grid[1] * UNITS_PER_CELL
    return (
        window[0] * shape[0] / extent_y,
        window[1] * shape[1] / extent_x,
        window[2] * shape[0] / extent_y,
        window[3] * shape[1] / extent_x,
    )
