"""Saliency mass in windows, exact in integers: the specification.

A window's edges are in units of 1/256 cell. A mass is in units of 1/65536 of one grey level in
one cell, so the whole map weighs `total << 16`. Used by `sample_windows` and `sample_cutouts`.
"""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.law import SUBROWS_PER_CELL, UNITS_PER_CELL


def integral_at(integral: np.ndarray, y: int, x: int) -> int:
    """Return the mass above and to the left of (y, x): the map is constant in each cell.

    Parameters
    ----------
    integral : numpy.ndarray, uint32, [h + 1, w + 1]
    y, x : int
        Units of 1/256 cell, 0 to 256·h and 256·w.
    """
    row = min(y // UNITS_PER_CELL, integral.shape[0] - 2)
    column = min(x // UNITS_PER_CELL, integral.shape[1] - 2)
    below, right = y - row * UNITS_PER_CELL, x - column * UNITS_PER_CELL
    above, left = UNITS_PER_CELL - below, UNITS_PER_CELL - right
    (near_near, near_far), (far_near, far_far) = integral[
        row : row + 2, column : column + 2
    ].tolist()
    upper, lower = near_near * left + near_far * right, far_near * left + far_far * right
    return upper * above + lower * below


def mass_upright(integral: np.ndarray, y0: int, x0: int, y1: int, x1: int) -> int:
    """Return the mass in an upright window."""
    return (
        integral_at(integral, y1, x1)
        - integral_at(integral, y0, x1)
        - integral_at(integral, y1, x0)
        + integral_at(integral, y0, x0)
    )


def turn_corner(half: tuple[int, int], turn: tuple[int, int], aspect_q16: int) -> tuple[int, int]:
    """Return a corner's offset from the centre after a rotation in pixel space, in half units.

    Parameters
    ----------
    half : tuple of int
        Offset (y, x) of the upright corner in half units.
    turn : tuple of int
        Cosine and sine, Q16.
    aspect_q16 : int
        Width of a cell over its height, in pixels, Q16.
    """
    cosine, sine = turn
    y, x = half
    # >> floors, in Python and (arithmetic shift) in C alike.
    turned_y = (cosine * y + ((sine * x) >> 16) * aspect_q16) >> 16
    turned_x = (cosine * x - ((sine * y) >> 16) * (2**32 // aspect_q16)) >> 16
    return turned_y, turned_x


def mass_turned(
    integral: np.ndarray,
    centre2: tuple[int, int],
    size: tuple[int, int],
    turn: tuple[int, int],
    aspect_q16: int,
) -> int:
    """Return the mass in a rotated window: a scan of four rows per cell, parts outside weigh 0.

    Parameters
    ----------
    centre2 : tuple of int
        Centre (y, x) in half units (1/512 cell).
    size : tuple of int
        Height and width in units.
    turn, aspect_q16
        As in `turn_corner`.
    """
    height, width = integral.shape[0] - 1, integral.shape[1] - 1
    h, w = size
    corners = []
    for half in ((-h, -w), (-h, w), (h, w), (h, -w)):
        y, x = turn_corner(half, turn, aspect_q16)
        corners.append((centre2[0] + y, centre2[1] + x))
    limit = 2 * UNITS_PER_CELL * width
    step = 2 * UNITS_PER_CELL // SUBROWS_PER_CELL
    scanned = 0
    for subrow in range(height * SUBROWS_PER_CELL):
        y = subrow * step + step // 2
        left, right = limit, 0
        for (ya, xa), (yb, xb) in zip(corners, corners[1:] + corners[:1], strict=True):
            if ya > yb:
                ya, xa, yb, xb = yb, xb, ya, xa
            if ya <= y < yb:
                # Both factors of the quotient are non-negative: no rounding of negatives.
                run = abs(xb - xa) * (y - ya) // (yb - ya)
                x = xa + run if xb >= xa else xa - run
                left, right = min(left, x), max(right, x)
        left, right = max(left, 0), min(right, limit)
        if left < right:
            row = subrow // SUBROWS_PER_CELL
            scanned += row_mass(integral, row, right) - row_mass(integral, row, left)
    # 512 half units per cell and four rows per cell make 2,048; a mass has 65,536.
    return scanned * 32


def row_mass(integral: np.ndarray, row: int, x2: int) -> int:
    """Return the mass of one row of cells left of `x2` (half units), in 1/512 of a level."""
    column = min(x2 // (2 * UNITS_PER_CELL), integral.shape[1] - 2)
    right = x2 - column * 2 * UNITS_PER_CELL
    left = 2 * UNITS_PER_CELL - right
    near = int(integral[row + 1, column]) - int(integral[row, column])
    far = int(integral[row + 1, column + 1]) - int(integral[row, column + 1])
    return near * left + far * right
