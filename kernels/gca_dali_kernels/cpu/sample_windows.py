"""Draw saliency-weighted windows in Numba; twin of `reference.sample_windows`."""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.compiled import borrowing, compiled, inlined
from gca_dali_kernels.cpu.integers import integer_root, quotient
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

    inputs, outputs = (integrals, marks, index, shapes), (windows, turns, retained, grown)
    tables = (law.aspects_q16, law.rotations_q16, law.betas_q16)

    def work(first: int, last: int) -> None:
        columns = np.empty((2, 2 * integrals.shape[2]), np.int64)
        sample_part(inputs, (first, last), words, law.record, tables, outputs, columns)

    run_parallel(work, len(index), num_threads)
    return windows, turns, retained, grown


@borrowing
def sample_part(inputs, part, words, law, tables, outputs, columns) -> None:
    """Draw all windows of samples part[0] to part[1] − 1; `columns` is room for the search."""
    integrals, marks, index, shapes = inputs
    windows, turns, retained, grown = outputs
    for b in range(part[0], part[1]):
        # Tuples of numbers: Numba counts references to arrays, atomically, wherever they go.
        key = (words[0], words[1], np.uint64(index[b]))
        integral = integrals[b]
        image = measure_image(integral, marks[b], shapes[b])
        total = image[3]
        for v in range(windows.shape[1]):
            (y0, x0), (h, w), turn, mass, grew = draw_window(
                integral, image, key, v, law, tables, columns
            )
            windows[b, v, 0], windows[b, v, 1] = y0, x0
            windows[b, v, 2], windows[b, v, 3] = y0 + h, x0 + w
            turns[b, v, 0], turns[b, v, 1] = turn
            retained[b, v] = np.float32(mass / (total << 16)) if total > 0 else np.float32(1.0)
            grown[b, v] = grew


@compiled
def measure_image(integral, mark, shape):
    """Return √(W/H), √(H/W) and a cell's width over its height (Q16), the map's sum and its box."""
    height_px, width_px = np.int64(shape[0]), np.int64(shape[1])
    return (
        integer_root(quotient(width_px << 32, height_px)),
        integer_root(quotient(height_px << 32, width_px)),
        cell_aspect(integral, shape),
        np.int64(integral[-1, -1]),
        np.int64(mark[0]) << 8,
        np.int64(mark[1]) << 8,
        np.int64(mark[2]) << 8,
        np.int64(mark[3]) << 8,
    )


@compiled
def cell_aspect(integral, shape):
    """Return a cell's width over its height in pixels, Q16."""
    height, width = (integral.shape[0] - 1) << 8, (integral.shape[1] - 1) << 8
    return max(quotient(np.int64(shape[1]) * height << 16, np.int64(shape[0]) * width), 1)


@inlined
def draw_window(integral, image, key, view, law, tables, columns):
    """Return place, size, turn, mass and whether the window grew."""
    aspects_q16, rotations_q16, betas_q16 = tables
    flip, step = 0, np.int64(UPRIGHT)
    if law.flip_q32 > 0 or law.rotation_q32 > 0:
        words = draw(key, TURN | (view << 8), 0)
        flip = 1 if words[0] < law.flip_q32 else 0
        step = words[2] >> 22 if words[1] < law.rotation_q32 else step
    extent, total = ((integral.shape[0] - 1) << 8, (integral.shape[1] - 1) << 8), image[3]
    first_size = draw_size(extent, image, key, view, law, aspects_q16, 0)
    size = first_size
    for number in range(law.num_candidates):
        if law.law == REJECTION and number > 0:
            size = draw_size(extent, image, key, view, law, aspects_q16, number)
        words = draw(key, PLACE | (view << 8), number)
        place = draw_place(extent, size, words, law, image, betas_q16)
        mass = window_mass(integral, place, size, step, rotations_q16, image[2])
        if total == 0 or (
            mass >= law.tau_q16 * total
            and (law.weight < 1 or words[2] * total < mass << 16)
            and (law.weight < 2 or words[3] * total < mass << 16)
        ):
            return place, size, (step, flip), mass, False
    start = draw(key, SEARCH | (view << 8), 0)[0]
    least = max(law.tau_q16 * total, min(law.weight, total))
    place, size = search_window(integral, first_size, start, least, columns), first_size
    grew = place[0] < 0
    if grew:
        place, size = grow_window(integral, first_size, start, least, columns)
    mass = mass_upright(integral, place[0], place[1], place[0] + size[0], place[1] + size[1])
    return place, size, (np.int64(UPRIGHT), flip), mass, grew


@inlined
def window_mass(integral, place, size, step, rotations_q16, aspect_q16):
    """Return the mass in a window that is rotated by `step`."""
    y0, x0 = place
    h, w = size
    if step == UPRIGHT:
        return mass_upright(integral, y0, x0, y0 + h, x0 + w)
    turn = (rotations_q16[step, 0], rotations_q16[step, 1])
    return mass_turned(integral, (2 * y0 + h, 2 * x0 + w), size, turn, aspect_q16)


@inlined
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
        h = max(quotient(height * side_q16 * image[0], aspect) >> 16, 1)
        w = max(((width * side_q16 * image[1]) >> 16) * aspect >> 32, 1)
        if h <= height and w <= width:
            return h, w
    if w > width:
        return min(max(area * height >> 32, 1), height), width
    return height, min(max(area * width >> 32, 1), width)


@inlined
def draw_place(extent, size, words, law, image, betas_q16):
    """Draw a place: uniform, or by ContrastiveCrop's Beta law around the box of the map."""
    h, w = size
    if law.law != CONTRASTIVE_CROP:
        return words[0] * (extent[0] - h + 1) >> 32, words[1] * (extent[1] - w + 1) >> 32
    return (
        beta_place(words[0], image[4], image[6], h, extent[0], betas_q16),
        beta_place(words[1], image[5], image[7], w, extent[1], betas_q16),
    )


@compiled
def beta_place(word, low, high, length, extent, betas_q16):
    """Place one side by a Beta draw over the centres that lie in [low, high]."""
    first = max(low - length // 2, 0)
    last = min(high - length // 2, extent - length)
    step, fraction = word >> 22, (word >> 6) & 0xFFFF
    near, far = betas_q16[step], betas_q16[step + 1]
    beta = near + ((far - near) * fraction >> 16)
    start = first + ((last - first) * beta >> 16)
    return min(max(start, 0), extent - length)
