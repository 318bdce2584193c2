"""Draw cutouts that hide little saliency in Numba; twin of `reference.sample_cutouts`."""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.compiled import borrowing, part
from gca_dali_kernels.cpu.draw import cell_aspect
from gca_dali_kernels.cpu.mass import mass_turned, mass_upright, turn_corner
from gca_dali_kernels.cpu.parallel import run_parallel
from gca_dali_kernels.cpu.philox import draw
from gca_dali_kernels.cpu.sample_windows import window_mass
from gca_dali_kernels.law import ViewLaws
from gca_dali_kernels.philox import CUTOUT
from gca_dali_kernels.reference.draw import UPRIGHT
from gca_dali_kernels.reference.sample_cutouts import ONE


def sample_cutouts(
    integrals: np.ndarray,
    windows: np.ndarray,
    turns: np.ndarray,
    index: np.ndarray,
    shapes: np.ndarray,
    key: tuple[int, int],
    laws: ViewLaws,
    num_threads: int = 1,
) -> np.ndarray:
    """Draw one cutout for each view, int32, [B, V, 4]; see `reference.sample_cutouts`."""
    cutouts = np.zeros(windows.shape, np.int32)
    records = laws.cutout_records
    if not records["probability_q32"].any():
        return cutouts
    words = np.array(key, np.uint64)

    def work(first: int, last: int) -> None:
        part = slice(first, last)
        cutout_part(
            (integrals[part], windows[part], turns[part], index[part], shapes[part]),
            words,
            (records, laws.rotations_q16, laws.group_of_view),
            cutouts[part],
        )

    run_parallel(work, len(index), num_threads)
    return cutouts


@borrowing
def cutout_part(inputs, words, laws, cutouts) -> None:
    """Draw all cutouts of a part of the batch."""
    integrals, windows, turns, index, shapes = inputs
    records, rotations, groups = laws
    for b in range(len(index)):
        key = (words[0], words[1], np.uint64(index[b]))
        aspect_q16 = cell_aspect(integrals[b], shapes[b])
        for v in range(windows.shape[1]):
            law, rotations_q16 = records[groups[v]], rotations[groups[v]]
            purpose = CUTOUT | (v << 8)
            if draw(key, purpose, 0)[0] >= law.probability_q32:
                continue
            y0, x0 = np.int64(windows[b, v, 0]), np.int64(windows[b, v, 1])
            size = (np.int64(windows[b, v, 2]) - y0, np.int64(windows[b, v, 3]) - x0)
            turn = (np.int64(turns[b, v, 0]), np.int64(turns[b, v, 1]))
            in_view = window_mass(integrals[b], (y0, x0), size, turn[0], rotations_q16, aspect_q16)
            for number in range(1, law.num_redraws + 1):
                rectangle = draw_rectangle(draw(key, purpose, number), law)
                covered = covered_mass(
                    integrals[b], (y0, x0), size, turn, rectangle, rotations_q16, aspect_q16
                )
                if covered << 16 <= law.loss_q16 * in_view:
                    for edge in range(4):
                        cutouts[b, v, edge] = rectangle[edge]
                    break


@part
def draw_rectangle(words, law):
    """Return y0, x0, y1, x1 in 1/65536 of the view."""
    low, high = law.side_low_q16, law.side_high_q16
    h = low + (words[0] * (high - low + 1) >> 32)
    w = low + (words[1] * (high - low + 1) >> 32)
    top = words[2] * (ONE - h + 1) >> 32
    left = words[3] * (ONE - w + 1) >> 32
    return top, left, top + h, left + w


@part
def covered_mass(integral, place, size, turn, rectangle, rotations_q16, aspect_q16):
    """Return the mass under a rectangle of the view, carried back to the map."""
    y0, x0 = place
    h, w = size
    top, left, bottom, right = rectangle
    step, flip = turn
    if flip:
        left, right = ONE - right, ONE - left
    if step == UPRIGHT:
        return mass_upright(
            integral,
            y0 + (h * top >> 16),
            x0 + (w * left >> 16),
            y0 + (h * bottom >> 16),
            x0 + (w * right >> 16),
        )
    cosine, sine = rotations_q16[step, 0], rotations_q16[step, 1]
    offset_y = h * (top + bottom - ONE) >> 16
    offset_x = w * (left + right - ONE) >> 16
    turned_y, turned_x = turn_corner(offset_y, offset_x, cosine, sine, aspect_q16)
    centre2 = (2 * y0 + h + turned_y, 2 * x0 + w + turned_x)
    part = (h * (bottom - top) >> 16, w * (right - left) >> 16)
    return mass_turned(integral, centre2, part, (cosine, sine), aspect_q16)
