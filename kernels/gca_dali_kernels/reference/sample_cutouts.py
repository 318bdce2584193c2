"""Draw cutouts that hide little saliency: the specification.

Enters: integral images and the windows and turns of `sample_windows`. Leaves: rectangles of the
view. Next: `render_views`, which fills them with black.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gca_dali_kernels import philox
from gca_dali_kernels.law import ViewLaws
from gca_dali_kernels.reference.draw import UPRIGHT, Draw
from gca_dali_kernels.reference.mass import mass_turned, mass_upright, turn_corner

ONE = 1 << 16


def sample_cutouts(
    integrals: np.ndarray,
    windows: np.ndarray,
    turns: np.ndarray,
    index: np.ndarray,
    shapes: np.ndarray,
    key: tuple[int, int],
    laws: ViewLaws,
) -> np.ndarray:
    """Draw one cutout for each view.

    Parameters
    ----------
    integrals : numpy.ndarray, uint32, [B, h + 1, w + 1]
    windows : numpy.ndarray, int32, [B, V, 4]
    turns : numpy.ndarray, int32, [B, V, 2]
    index : numpy.ndarray, int64, [B]
    shapes : numpy.ndarray, int32, [B, 2]
    key : tuple of int
        Seed and epoch.
    laws : ViewLaws

    Returns
    -------
    numpy.ndarray, int32, [B, V, 4]
        y0, x0, y1, x1 in 1/65536 of the view's sides; zeros for no cutout. The mass of the view
        that is covered is at most `max_loss` of the mass of the view.
    """
    cutouts = np.zeros(windows.shape, np.int32)
    for b in range(len(index)):
        for v in range(windows.shape[1]):
            draw = Draw(integrals[b], np.zeros(5), shapes[b], laws, (*key, int(index[b]), v))
            window = tuple(int(edge) for edge in windows[b, v])
            turn = int(turns[b, v, 0]), int(turns[b, v, 1])
            law = laws.cutout_records[laws.group_of_view[v]]
            cutouts[b, v] = draw_cutout(draw, window, turn, law)
    return cutouts


def draw_cutout(
    draw: Draw, window: tuple[int, ...], turn: tuple[int, int], law: Any
) -> tuple[int, int, int, int]:
    """Return the accepted rectangle of lowest number, or zeros."""
    none = (0, 0, 0, 0)
    if draw.words(philox.CUTOUT, 0)[0] >= law["probability_q32"]:
        return none
    y0, x0, y1, x1 = window
    in_view = draw.mass((y0, x0), (y1 - y0, x1 - x0), turn[0])
    low, high = int(law["side_low_q16"]), int(law["side_high_q16"])
    for number in range(1, law["num_redraws"] + 1):
        words = draw.words(philox.CUTOUT, number)
        h = low + (words[0] * (high - low + 1) >> 32)
        w = low + (words[1] * (high - low + 1) >> 32)
        top = words[2] * (ONE - h + 1) >> 32
        left = words[3] * (ONE - w + 1) >> 32
        rectangle = (top, left, top + h, left + w)
        if covered_mass(draw, window, turn, rectangle) << 16 <= int(law["loss_q16"]) * in_view:
            return rectangle
    return none


def covered_mass(
    draw: Draw, window: tuple[int, ...], turn: tuple[int, int], rectangle: tuple[int, ...]
) -> int:
    """Return the mass under a rectangle of the view, carried back to the map."""
    y0, x0, y1, x1 = window
    h, w = y1 - y0, x1 - x0
    top, left, bottom, right = rectangle
    step, flip = turn
    if flip:
        left, right = ONE - right, ONE - left
    if step == UPRIGHT:
        edges = (y0 + (h * top >> 16), x0 + (w * left >> 16))
        edges += (y0 + (h * bottom >> 16), x0 + (w * right >> 16))
        return mass_upright(draw.integral, *edges)
    cosine, sine = (int(value) for value in draw.rotations_q16[step])
    offset = (h * (top + bottom - ONE) >> 16, w * (left + right - ONE) >> 16)
    turned = turn_corner(offset, (cosine, sine), draw.aspect_q16)
    centre2 = (y0 + y1 + turned[0], x0 + x1 + turned[1])
    size = (h * (bottom - top) >> 16, w * (right - left) >> 16)
    return mass_turned(draw.integral, centre2, size, (cosine, sine), draw.aspect_q16)
