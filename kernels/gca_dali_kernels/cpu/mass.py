"""Saliency mass in windows, exact in integers; twin of `reference.mass` in Numba."""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.compiled import inlined, part
from gca_dali_kernels.cpu.integers import quotient
from gca_dali_kernels.law import SUBROWS_PER_CELL, UNITS_PER_CELL

HALF_UNITS = 2 * UNITS_PER_CELL
STEP = HALF_UNITS // SUBROWS_PER_CELL


@inlined
def integral_at(integral: np.ndarray, y: int, x: int) -> int:
    """Return the mass above and to the left of (y, x) in units of 1/256 cell."""
    row = min(y >> 8, integral.shape[0] - 2)
    column = min(x >> 8, integral.shape[1] - 2)
    below, right = y - (row << 8), x - (column << 8)
    above, left = UNITS_PER_CELL - below, UNITS_PER_CELL - right
    upper = np.int64(integral[row, column]) * left + np.int64(integral[row, column + 1]) * right
    lower = (
        np.int64(integral[row + 1, column]) * left + np.int64(integral[row + 1, column + 1]) * right
    )
    return upper * above + lower * below


@inlined
def mass_upright(integral: np.ndarray, y0: int, x0: int, y1: int, x1: int) -> int:
    """Return the mass in an upright window."""
    return (
        integral_at(integral, y1, x1)
        - integral_at(integral, y0, x1)
        - integral_at(integral, y1, x0)
        + integral_at(integral, y0, x0)
    )


@part
def turn_corner(y: int, x: int, cosine: int, sine: int, aspect_q16: int) -> tuple[int, int]:
    """Return a corner's offset after a rotation in pixel space, in half units."""
    turned_y = (cosine * y + ((sine * x) >> 16) * aspect_q16) >> 16
    turned_x = (cosine * x - ((sine * y) >> 16) * ((1 << 32) // aspect_q16)) >> 16
    return turned_y, turned_x


@part
def row_mass(integral: np.ndarray, row: int, x2: int) -> int:
    """Return the mass of one row of cells left of `x2` (half units), in 1/512 of a level."""
    column = min(x2 >> 9, integral.shape[1] - 2)
    right = x2 - (column << 9)
    near = np.int64(integral[row + 1, column]) - np.int64(integral[row, column])
    far = np.int64(integral[row + 1, column + 1]) - np.int64(integral[row, column + 1])
    return near * (HALF_UNITS - right) + far * right


@part
def mass_turned(
    integral: np.ndarray,
    centre2: tuple[int, int],
    size: tuple[int, int],
    turn: tuple[int, int],
    aspect_q16: int,
) -> int:
    """Return the mass in a rotated window: a scan of four rows per cell."""
    height, width = integral.shape[0] - 1, integral.shape[1] - 1
    h, w = size
    cosine, sine = turn
    y_a, x_a = turn_corner(-h, -w, cosine, sine, aspect_q16)
    y_b, x_b = turn_corner(-h, w, cosine, sine, aspect_q16)
    y_c, x_c = turn_corner(h, w, cosine, sine, aspect_q16)
    y_d, x_d = turn_corner(h, -w, cosine, sine, aspect_q16)
    cy, cx = centre2
    ys = (cy + y_a, cy + y_b, cy + y_c, cy + y_d)
    xs = (cx + x_a, cx + x_b, cx + x_c, cx + x_d)
    limit = HALF_UNITS * width
    lowest = min(min(ys[0], ys[1]), min(ys[2], ys[3]))
    highest = max(max(ys[0], ys[1]), max(ys[2], ys[3]))
    first = max((lowest - STEP) // STEP, 0)
    last = min(highest // STEP + 1, height * SUBROWS_PER_CELL)
    scanned = 0
    for subrow in range(first, last):
        y = subrow * STEP + STEP // 2
        left, right = limit, 0
        for side in range(4):
            ya, xa = ys[side], xs[side]
            yb, xb = ys[(side + 1) & 3], xs[(side + 1) & 3]
            if ya > yb:
                ya, xa, yb, xb = yb, xb, ya, xa
            if ya <= y < yb:
                run = quotient(abs(xb - xa) * (y - ya), yb - ya)
                x = xa + run if xb >= xa else xa - run
                left, right = min(left, x), max(right, x)
        left, right = max(left, 0), min(right, limit)
        if left < right:
            row = subrow // SUBROWS_PER_CELL
            scanned += row_mass(integral, row, right) - row_mass(integral, row, left)
    return scanned * 32
