"""The exact search for a window that holds tau, in Numba; twin of `Draw.search` and `Draw.grow`.

The reference tries all places and all 256 sizes. Here a strip of the map that holds too little
mass is skipped whole, and the growth is found by bisection: a larger window contains the smaller.
"""

from __future__ import annotations

from numba import njit

from gca_dali_kernels.cpu.mass import integral_at
from gca_dali_kernels.law import NUM_GROWTH_STEPS


@njit(nogil=True, cache=True)
def lattice_start(number, length, extent):
    """Return the start of this number on the lattice, or -1 where the window would leave."""
    num_borders = (extent >> 8) + 1
    start = number << 8 if number < num_borders else ((number - num_borders) << 8) - length
    return start if 0 <= start <= extent - length else -1


@njit(nogil=True, cache=True)
def search_columns(integral, y0, size, columns, least):
    """Return the first x0 among lattice numbers `columns` (first, last) that holds `least`."""
    h, w = size
    width = (integral.shape[1] - 1) << 8
    for column in range(columns[0], columns[1]):
        x0 = lattice_start(column, w, width)
        if x0 >= 0:
            right = integral_at(integral, y0 + h, x0 + w) - integral_at(integral, y0, x0 + w)
            if right >= least:
                left = integral_at(integral, y0 + h, x0) - integral_at(integral, y0, x0)
                if right - left >= least:
                    return x0
    return -1


@njit(nogil=True, cache=True)
def search_window(integral, size, start_word, least):
    """Return the first place from a random start whose mass is at least `least`, or (-1, -1)."""
    height, width = (integral.shape[0] - 1) << 8, (integral.shape[1] - 1) << 8
    num_rows, num_columns = 2 * ((height >> 8) + 1), 2 * ((width >> 8) + 1)
    start = start_word * (num_rows * num_columns) >> 32
    first_row, first_column = start // num_columns, start % num_columns
    for turn in range(num_rows + 1):
        row = (first_row + turn) % num_rows
        y0 = lattice_start(row, size[0], height)
        if y0 < 0:
            continue
        strip = integral_at(integral, y0 + size[0], width) - integral_at(integral, y0, width)
        if strip < least:
            continue
        # The row of the start is visited twice: first its end, at last its beginning.
        columns = (
            first_column if turn == 0 else 0,
            first_column if turn == num_rows else num_columns,
        )
        x0 = search_columns(integral, y0, size, columns, least)
        if x0 >= 0:
            return y0, x0
    return -1, -1


@njit(nogil=True, cache=True)
def larger_size(integral, size, step):
    """Return the size after `step` of 256 steps towards the whole image, rounded up."""
    height, width = (integral.shape[0] - 1) << 8, (integral.shape[1] - 1) << 8
    h, w = size
    return (
        h + ((height - h) * step + NUM_GROWTH_STEPS - 1) // NUM_GROWTH_STEPS,
        w + ((width - w) * step + NUM_GROWTH_STEPS - 1) // NUM_GROWTH_STEPS,
    )


@njit(nogil=True, cache=True)
def grow_window(integral, size, start_word, least):
    """Return place and size of the least enlargement that holds `least`."""
    fails, holds = 0, NUM_GROWTH_STEPS
    while holds - fails > 1:
        middle = (fails + holds) // 2
        larger = larger_size(integral, size, middle)
        if search_window(integral, larger, start_word, least)[0] >= 0:
            holds = middle
        else:
            fails = middle
    larger = larger_size(integral, size, holds)
    return search_window(integral, larger, start_word, least), larger
