"""Draw saliency-weighted windows in Numba; twin of `reference.sample_windows`."""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.compiled import borrowing, inlined, part
from gca_dali_kernels.cpu.draw import draw_focus, draw_place, draw_size, measure_image
from gca_dali_kernels.cpu.integers import quotient
from gca_dali_kernels.cpu.mass import mass_turned, mass_upright
from gca_dali_kernels.cpu.parallel import run_parallel
from gca_dali_kernels.cpu.philox import draw
from gca_dali_kernels.cpu.search import grow_window, search_window
from gca_dali_kernels.law import (
    ATTEMPT_STRIDE,
    NUM_REDRAWS,
    NUM_SIZE_ATTEMPTS,
    ONE_Q16,
    REJECTION,
    RELATIVE,
    ViewLaws,
)
from gca_dali_kernels.philox import PLACE, SEARCH, TURN
from gca_dali_kernels.reference.draw import UPRIGHT


def sample_windows(
    integrals: np.ndarray,
    marks: np.ndarray,
    index: np.ndarray,
    shapes: np.ndarray,
    key: tuple[int, int],
    laws: ViewLaws,
    num_threads: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw the windows of all V views of each of B images; see `reference.sample_windows`.

    `num_threads` 0 means one per core; the windows do not depend on it.
    """
    shape = (len(index), laws.num_views)
    windows, turns = np.empty((*shape, 4), np.int32), np.empty((*shape, 2), np.int32)
    retained, grown = np.empty(shape, np.float32), np.empty(shape, np.bool_)
    focus = np.empty((len(index), 2), np.int32)
    words = np.array(key, np.uint64)

    inputs, outputs = (integrals, marks, index, shapes), (windows, turns, retained, grown, focus)
    tables = (laws.aspects_q16, laws.rotations_q16, laws.betas_q16)
    records, has_focus = laws.window_records, laws.focus_view >= 0
    most_candidates = int(records["num_candidates"].max())

    def work(first: int, last: int) -> None:
        columns = np.empty((2, 2 * integrals.shape[2]), np.int64)
        room = (columns, np.empty(most_candidates, np.int64))
        part = (first, last, has_focus)
        sample_part(inputs, part, words, records, tables, outputs, room)

    run_parallel(work, len(index), num_threads)
    return windows, turns, retained, grown, focus


@borrowing
def sample_part(inputs, part, words, laws, tables, outputs, room) -> None:
    """Draw all windows of samples part[0] to part[1] − 1; `room` is for search and candidates."""
    integrals, marks, index, shapes = inputs
    windows, turns, retained, grown, focus = outputs
    for b in range(part[0], part[1]):
        # Tuples of numbers: Numba counts references to arrays, atomically, wherever they go.
        key = (words[0], words[1], np.uint64(index[b]))
        integral = integrals[b]
        image = measure_image(integral, marks[b], shapes[b])
        total = image[3]
        point = (np.int64(-1), np.int64(-1))
        if part[2]:
            point = draw_focus(integral, key)
        focus[b, 0], focus[b, 1] = point
        for g in range(len(laws)):
            law, group = laws[g], (tables[0][g], tables[1][g], tables[2][g])
            nearby = point if law.focus else (np.int64(-1), np.int64(-1))
            first, most = law.first_view, law.max_iou_q16
            for v in range(first, first + law.num_views):
                redraws = v > first and most < ONE_Q16
                least = np.int64(ONE_Q16 + 1)
                for attempt in range(NUM_REDRAWS if redraws else 1):
                    offset = attempt * ATTEMPT_STRIDE
                    (y0, x0), (h, w), turn, mass, grew = draw_window(
                        integral, image, key, (v, offset), law, group, nearby, room
                    )
                    overlap = np.int64(0)
                    if redraws:
                        here = (y0, x0, y0 + h, x0 + w)
                        overlap = greatest_overlap(windows[b, first:v], here)
                    if overlap < least:
                        least = overlap
                        windows[b, v, 0], windows[b, v, 1] = y0, x0
                        windows[b, v, 2], windows[b, v, 3] = y0 + h, x0 + w
                        turns[b, v, 0], turns[b, v, 1] = turn
                        share = np.float32(1.0)
                        if total > 0:
                            share = np.float32(mass / (total << 16))
                        retained[b, v], grown[b, v] = share, grew
                    if least <= most:
                        break


@part
def greatest_overlap(earlier, window):
    """Return the greatest intersection over union with an earlier window, rounded up, Q16."""
    y0, x0, y1, x1 = window
    greatest = np.int64(0)
    for v in range(len(earlier)):
        top, left = np.int64(earlier[v, 0]), np.int64(earlier[v, 1])
        bottom, right = np.int64(earlier[v, 2]), np.int64(earlier[v, 3])
        height = max(min(y1, bottom) - max(y0, top), 0)
        width = max(min(x1, right) - max(x0, left), 0)
        common = height * width
        union = (y1 - y0) * (x1 - x0) + (bottom - top) * (right - left) - common
        greatest = max(greatest, quotient((common << 16) + union - 1, union))
    return greatest


@inlined
def draw_window(integral, image, key, number, law, tables, focus, room):
    """Return place, size, turn, mass and whether the window grew.

    `number` is the view's, and what is added to the number of every draw.
    """
    view, offset = number
    aspects_q16, rotations_q16, betas_q16 = tables
    flip, step = 0, np.int64(UPRIGHT)
    if law.flip_q32 > 0 or law.rotation_q32 > 0:
        words = draw(key, TURN | (view << 8), 0)
        flip = 1 if words[0] < law.flip_q32 else 0
        step = words[2] >> 22 if words[1] < law.rotation_q32 else step
    extent, total = ((integral.shape[0] - 1) << 8, (integral.shape[1] - 1) << 8), image[3]
    first_size = draw_size(extent, image, key, view, law, aspects_q16, offset)
    size, place, most = first_size, (np.int64(0), np.int64(0)), np.int64(0)
    masses = room[1]
    for number in range(law.num_candidates):
        if law.law == REJECTION and number > 0:
            first = offset + number * NUM_SIZE_ATTEMPTS
            size = draw_size(extent, image, key, view, law, aspects_q16, first)
        words = draw(key, PLACE | (view << 8), offset + number)
        place = draw_place(extent, size, words, law, image, focus, betas_q16)
        mass = window_mass(integral, place, size, step, rotations_q16, image[2])
        if law.law == RELATIVE:
            masses[number], most = mass, max(most, mass)
        elif total == 0 or (
            mass >= law.tau_q16 * total
            and (law.weight < 1 or words[2] * total < mass << 16)
            and (law.weight < 2 or words[3] * total < mass << 16)
        ):
            return place, size, (step, flip), mass, False
    if law.law == RELATIVE:
        chosen = choose_relative(masses, most, law, key, PLACE | (view << 8), offset)
        words = draw(key, PLACE | (view << 8), offset + chosen)
        place = draw_place(extent, size, words, law, image, focus, betas_q16)
        return place, size, (step, flip), masses[chosen], False
    start = draw(key, SEARCH | (view << 8), offset)[0]
    least = max(law.tau_q16 * total, min(law.weight, total))
    place, size = search_window(integral, first_size, start, least, room[0]), first_size
    grew = place[0] < 0
    if grew:
        place, size = grow_window(integral, first_size, start, least, room[0])
    mass = mass_upright(integral, place[0], place[1], place[0] + size[0], place[1] + size[1])
    return place, size, (np.int64(UPRIGHT), flip), mass, grew


@part
def choose_relative(masses, most, law, key, purpose, offset):
    """Return the number of the first candidate that is accepted beside the heaviest."""
    for number in range(law.num_candidates):
        mass = masses[number]
        if most == 0:
            return number
        if mass << 16 >= law.rho_q16 * most:
            if law.weight == 0:
                return number
            words = draw(key, purpose, offset + number)
            if (words[2] >> 16) * most < mass << 16 and (
                law.weight < 2 or (words[3] >> 16) * most < mass << 16
            ):
                return number
    return 0  # the heaviest was accepted


@inlined
def window_mass(integral, place, size, step, rotations_q16, aspect_q16):
    """Return the mass in a window that is rotated by `step`."""
    y0, x0 = place
    h, w = size
    if step == UPRIGHT:
        return mass_upright(integral, y0, x0, y0 + h, x0 + w)
    turn = (rotations_q16[step, 0], rotations_q16[step, 1])
    return mass_turned(integral, (2 * y0 + h, 2 * x0 + w), size, turn, aspect_q16)
