"""Draw saliency-weighted windows in Numba; twin of `reference.sample_windows`."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from gca_dali_kernels.cpu.mass import mass_turned, mass_upright
from gca_dali_kernels.cpu.parallel import run_parallel
from gca_dali_kernels.cpu.philox import draw
from gca_dali_kernels.cpu.search import grow_window, search_window
from gca_dali_kernels.law import AREA, CONTRASTIVE_CROP, NUM_SIZE_ATTEMPTS, REJECTION, WindowLaw
from gca_dali_kernels.philox import PLACE, SEARCH, SIZE, TURN
from gca_dali_kernels.reference.sample_windows import UPRIGHT


def sample_windows(
    integrals: np.ndarray,
    marks: np.ndarray,
    index: np.ndarray,
    shapes: np.ndarray,
    key: tuple[int, int],
    law: WindowLaw,
    num_views: int,
    num_threads: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw `num_views` windows for each of B images; see `reference.sample_windows`.

    `num_threads` 0 means one per core; the windows do not depend on it.
    """
    shape = (len(index), num_views)
    windows, turns = np.empty((*shape, 4), np.int32), np.empty((*shape, 2), np.int32)
    retained, grown = np.empty(shape, np.float32), np.empty(shape, np.bool_)
    words = np.array(key, np.uint64)

    def work(first: int, last: int) -> None:
        part = slice(first, last)
        sample_part(
            (integrals[part], marks[part], index[part], shapes[part]),
            words,
            law.record,
            (law.aspects_q16, law.rotations_q16, law.betas_q16),
            (windows[part], turns[part], retained[part], grown[part]),
        )

    run_parallel(work, len(index), num_threads)
    return windows, turns, retained, grown


@njit(nogil=True, cache=True)
def sample_part(inputs, words, law, tables, outputs) -> None:
    """Draw all windows of a part of the batch."""
    integrals, marks, index, shapes = inputs
    windows, turns, retained, grown = outputs
    key = np.empty(3, np.uint64)
    key[0], key[1] = words[0], words[1]
    for b in range(len(index)):
        key[2] = np.uint64(index[b])
        image = measure_image(integrals[b], shapes[b])
        for v in range(windows.shape[1]):
            place, size, turn, grew = draw_window(
                (integrals[b], marks[b]), image, key, v, law, tables
            )
            windows[b, v, 0], windows[b, v, 1] = place
            windows[b, v, 2], windows[b, v, 3] = place[0] + size[0], place[1] + size[1]
            turns[b, v, 0], turns[b, v, 1] = turn
            retained[b, v] = np.float32(1.0)
            total = image[3]
            if total > 0:
                mass = window_mass(integrals[b], place, size, turn[0], tables[1], image[2])
                retained[b, v] = np.float32(mass / (total << 16))
            grown[b, v] = grew


@njit(nogil=True, cache=True)
def measure_image(integral, shape):
    """Return √(W/H) and √(H/W) (Q16), a cell's width over its height (Q16) and the map's sum."""
    height_px, width_px = np.int64(shape[0]), np.int64(shape[1])
    height, width = (integral.shape[0] - 1) << 8, (integral.shape[1] - 1) << 8
    aspect_q16 = max((width_px * height << 16) // (height_px * width), 1)
    return (
        integer_root((width_px << 32) // height_px),
        integer_root((height_px << 32) // width_px),
        aspect_q16,
        np.int64(integral[-1, -1]),
    )


@njit(nogil=True, cache=True)
def integer_root(value):
    """Return the floor of the square root; the loops mend what float64 rounds."""
    root = np.int64(math.sqrt(value))
    while root * root > value:
        root -= 1
    while (root + 1) * (root + 1) <= value:
        root += 1
    return root


@njit(nogil=True, cache=True)
def draw_window(maps, image, key, view, law, tables):
    """Return place, size, turn and whether the window grew."""
    integral, mark = maps
    extent = ((integral.shape[0] - 1) << 8, (integral.shape[1] - 1) << 8)
    words = draw(key, TURN | (view << 8), 0)
    flip = 1 if words[0] < law.flip_q32 else 0
    step = words[2] >> 22 if words[1] < law.rotation_q32 else UPRIGHT
    total = image[3]
    size = draw_size(extent, image, key, view, law, tables[0], 0)
    first_size = size
    for number in range(law.num_candidates):
        if law.law == REJECTION and number > 0:
            size = draw_size(extent, image, key, view, law, tables[0], number)
        words = draw(key, PLACE | (view << 8), number)
        place = draw_place(extent, size, words, law, mark, tables[2])
        if total == 0 or (law.tau_q16 == 0 and law.weight == 0):
            return place, size, (step, flip), False
        mass = window_mass(integral, place, size, step, tables[1], image[2])
        if (
            mass >= law.tau_q16 * total
            and (law.weight < 1 or words[2] * total < mass << 16)
            and (law.weight < 2 or words[3] * total < mass << 16)
        ):
            return place, size, (step, flip), False
    start = draw(key, SEARCH | (view << 8), 0)[0]
    least = max(law.tau_q16 * total, min(law.weight, total))
    place = search_window(integral, first_size, start, least)
    if place[0] >= 0:
        return place, first_size, (np.int64(UPRIGHT), flip), False
    place, size = grow_window(integral, first_size, start, least)
    return place, size, (np.int64(UPRIGHT), flip), True


@njit(nogil=True, cache=True)
def window_mass(integral, place, size, step, rotations_q16, aspect_q16):
    """Return the mass in a window that is rotated by `step`."""
    y0, x0 = place
    h, w = size
    if step == UPRIGHT:
        return mass_upright(integral, y0, x0, y0 + h, x0 + w)
    turn = (rotations_q16[step, 0], rotations_q16[step, 1])
    return mass_turned(integral, (2 * y0 + h, 2 * x0 + w), size, turn, aspect_q16)


@njit(nogil=True, cache=True)
def draw_size(extent, image, key, view, law, aspects_q16, number):
    """Draw a size: the first of ten that fits; else the last, kept at its area."""
    height, width = extent
    h, w, area = np.int64(0), np.int64(0), np.int64(0)
    for attempt in range(NUM_SIZE_ATTEMPTS):
        words = draw(key, SIZE | (view << 8), number * NUM_SIZE_ATTEMPTS + attempt)
        drawn = law.size_low + ((law.size_high - law.size_low) * (words[0] >> 1) >> 31)
        if law.size != AREA:
            return max((height << 16) // drawn, 1), max((width << 16) // drawn, 1)
        area, side_q16 = drawn, integer_root(drawn)
        aspect = aspects_q16[words[1] >> 22]
        h = max((height * side_q16 * image[0] // aspect) >> 16, 1)
        w = max(((width * side_q16 * image[1]) >> 16) * aspect >> 32, 1)
        if h <= height and w <= width:
            return h, w
    if w > width:
        return min(max(area * height >> 32, 1), height), width
    return height, min(max(area * width >> 32, 1), width)


@njit(nogil=True, cache=True)
def draw_place(extent, size, words, law, mark, betas_q16):
    """Draw a place: uniform, or by ContrastiveCrop's Beta law around the box of the map."""
    h, w = size
    if law.law != CONTRASTIVE_CROP:
        return words[0] * (extent[0] - h + 1) >> 32, words[1] * (extent[1] - w + 1) >> 32
    top, left = np.int64(mark[0]) << 8, np.int64(mark[1]) << 8
    bottom, right = np.int64(mark[2]) << 8, np.int64(mark[3]) << 8
    return (
        beta_place(words[0], top, bottom, h, extent[0], betas_q16),
        beta_place(words[1], left, right, w, extent[1], betas_q16),
    )


@njit(nogil=True, cache=True)
def beta_place(word, low, high, length, extent, betas_q16):
    """Place one side by a Beta draw over the centres that lie in [low, high]."""
    first = max(low - length // 2, 0)
    last = min(high - length // 2, extent - length)
    step, fraction = word >> 22, (word >> 6) & 0xFFFF
    near, far = betas_q16[step], betas_q16[step + 1]
    beta = near + ((far - near) * fraction >> 16)
    start = first + ((last - first) * beta >> 16)
    return min(max(start, 0), extent - length)
