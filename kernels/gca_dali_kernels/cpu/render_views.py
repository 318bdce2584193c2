"""Render views in Numba; twin of `reference.render_views`, the same within a stated tolerance.

Views of one image share a pyramid of halved images (see `resample`), which makes a further view
cost little beside the decoding of the image.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from gca_dali_kernels.cpu.appearance import apply_mask, change_intensity, finish_view
from gca_dali_kernels.cpu.parallel import run_parallel
from gca_dali_kernels.cpu.resample import choose_level, halve, resample_turned, resample_upright
from gca_dali_kernels.law import UNITS_PER_CELL, WindowLaw
from gca_dali_kernels.look import LOOK_DTYPE, ViewLook
from gca_dali_kernels.reference.sample_windows import UPRIGHT

F32 = np.float32


def render_views(
    images: list[np.ndarray],
    ranges: np.ndarray,
    saliency: tuple[np.ndarray, np.ndarray],
    plan: tuple[np.ndarray, np.ndarray, np.ndarray],
    index: np.ndarray,
    key: tuple[int, int],
    looks: tuple[WindowLaw, tuple[ViewLook, ...]],
    views: np.ndarray,
    num_threads: int = 1,
) -> None:
    """Render V views of each of B images into `views`; see `reference.render_views`.

    Parameters
    ----------
    views : numpy.ndarray, float32, [B, V, height, width]
        Written in place.
    num_threads : int
        0 means one per core; the views do not depend on it.
    """
    law, view_looks = looks
    records = np.array([look.record for look in view_looks], dtype=LOOK_DTYPE)
    words = np.array([key[0], key[1], 0], np.uint64)
    maps, marks = saliency
    windows, turns, cutouts = plan

    def work(first: int, last: int) -> None:
        for b in range(first, last):
            one_key = words.copy()
            one_key[2] = index[b]
            render_image(
                images[b],
                (ranges[b], maps[b], marks[b]),
                (windows[b], turns[b], cutouts[b]),
                one_key,
                (law.rotations_q16, records),
                views[b],
            )

    run_parallel(work, len(images), num_threads)


@njit(nogil=True, cache=True)
def render_image(image, saliency, plan, key, looks, views) -> None:
    """Render all views of one image, from the level of the pyramid that suits each."""
    height, width = image.shape
    windows, grid = plan[0], saliency[1].shape
    levels = np.empty(len(windows), np.int64)
    for v in range(len(windows)):
        y0, x0, y1, x1 = window_px(windows[v], grid, (height, width))
        scales = (y1 - y0) / views.shape[1], (x1 - x0) / views.shape[2]
        levels[v] = choose_level(scales[0], scales[1], height, width)
        if levels[v] == 0:
            render_one(image, (height, width), 0, v, (saliency, plan, key, looks), views[v])
    highest = levels.max()
    if highest == 0:
        return
    row = np.empty(width, F32)
    half = np.empty((height // 2, width // 2), F32)
    halve(image, half, row)
    for level in range(1, highest + 1):
        for v in range(len(windows)):
            if levels[v] == level:
                render_one(half, (height, width), level, v, (saliency, plan, key, looks), views[v])
        if level < highest:
            quarter = np.empty((half.shape[0] // 2, half.shape[1] // 2), F32)
            halve(half, quarter, row)
            half = quarter


@njit(nogil=True, cache=True)
def render_one(source, shape, level, v, inputs, target) -> None:
    """Render view `v` from the image after `level` halvings."""
    (ranges, saliency, mark), (windows, turns, cutouts), key, (rotations_q16, looks) = inputs
    look, flip, step = looks[v], turns[v, 1], turns[v, 0]
    window = window_px(windows[v], saliency.shape, shape)
    scale = F32(1.0) / (ranges[1] - ranges[0])
    scaling = (scale, -ranges[0] * scale)
    view, scratch = np.empty(target.shape, F32), np.empty(target.shape, F32)
    cosine, sine = 1.0, 0.0
    if step == UPRIGHT:
        resample_upright(source, window, shape, level, flip, scaling, view)
    else:
        cosine, sine = rotations_q16[step, 0] / 65536.0, rotations_q16[step, 1] / 65536.0
        resample_turned(source, window, shape, level, (cosine, sine, flip), scaling, view)
    if change_intensity(view, look, key, v, scratch):
        cells_y, cells_x = saliency.shape[0] / shape[0], saliency.shape[1] / shape[1]
        y0, x0, y1, x1 = window
        step_y, step_x = (y1 - y0) / target.shape[0], (x1 - x0) / target.shape[1]
        if flip:
            step_x = -step_x
        frame = (
            (y0 + y1) / 2 * cells_y,
            (x0 + x1) / 2 * cells_x,
            cosine * step_y * cells_y,
            -sine * step_y * cells_x,
            sine * step_x * cells_y,
            cosine * step_x * cells_x,
        )
        apply_mask(view, saliency, look, mark[4], frame)
    finish_view(view, cutouts[v], look, target)


@njit(nogil=True, cache=True)
def window_px(window, grid, shape):
    """Return y0, x0, y1, x1 of a window in pixels of the image."""
    extent_y, extent_x = grid[0] * UNITS_PER_CELL, grid[1] * UNITS_PER_CELL
    return (
        window[0] * shape[0] / extent_y,
        window[1] * shape[1] / extent_x,
        window[2] * shape[0] / extent_y,
        window[3] * shape[1] / extent_x,
    )
