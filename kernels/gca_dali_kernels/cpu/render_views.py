"""Render views in Numba; twin of `reference.render_views`, the same within a stated tolerance.

Views of one image share a pyramid of halved images (see `resample`), which makes a further view
cost little beside the decoding of the image.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gca_dali_kernels.cpu import ahead
from gca_dali_kernels.cpu.finish_views import finish_views
from gca_dali_kernels.cpu.parallel import run_parallel
from gca_dali_kernels.cpu.resample_views import resample_views
from gca_dali_kernels.law import UNITS_PER_CELL
from gca_dali_kernels.look import GroupLooks, ViewLook


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
    ahead.wait(meanwhile=compile_finishing)
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


def compile_resampling(dtype: str) -> None:
    """Compile what depends on the type of the images, "uint8" or "uint16", on one of 8 × 8."""
    image, seen, _, looks, target = make_smallest_view(dtype)
    resample_views(image, like_sums(image.dtype), seen, looks, target)


def compile_finishing() -> None:
    """Compile what does not."""
    image, _, saliency, looks, target = make_smallest_view("uint8")
    finish_views(saliency, image.shape, looks, target)


def make_smallest_view(dtype: str) -> tuple[Any, ...]:
    """Return image, windows, saliency, looks and target of one view of one pixel."""
    image, grid = np.zeros((8, 8), dtype), np.zeros((1, 1), np.uint8)
    looks, pixels = GroupLooks((ViewLook(),), (1, 1)), np.zeros(1, np.float32)
    windows = np.array([[0, 0, UNITS_PER_CELL, UNITS_PER_CELL]], np.int32)
    turns, cutouts, marks = (np.zeros(shape, np.int32) for shape in ((1, 2), (1, 4), 5))
    return (
        read_only(image),
        (np.array([0, 1], np.float32), windows, turns, grid.shape),
        (read_only(grid), marks, windows, turns, cutouts),
        (np.zeros(3, np.uint64), looks.rotations_q16[None], looks.records),
        (pixels, pixels, lay_out_views([(1, 1, 1, 1)], [0]), 0),
    )


def like_sums(dtype: np.dtype) -> np.ndarray:
    """Return an empty array of the type of the sums of such pixels."""
    return np.empty(0, np.uint16 if dtype == np.uint8 else np.float32)


def read_only(image: np.ndarray) -> np.ndarray:
    """Return a view of the image that cannot be written, as a memory map or bytes give it.

    Numba compiles for each of the two; so it compiles once.
    """
    image = image.view()
    image.flags.writeable = False
    return image
