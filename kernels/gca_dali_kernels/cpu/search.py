"""The exact search for a window that holds tau, in Numba; twin of `reference.search`.

The reference tries all places and all 256 sizes. Here a row or column of places whose strip of the
map holds too little mass is skipped whole, and the growth is found by bisection: a larger window
contains the smaller. `columns` is room for the columns of the lattice, int64, [2, 2·(w + 1)].
"""

from __future__ import annotations

from gca_dali_kernels.cpu.compiled import part
from gca_dali_kernels.cpu.mass import integral_at, mass_upright
from gca_dali_kernels.law import NUM_GROWTH_STEPS


@part
def lattice_start(number, length, extent):
    """Return the start of this number on the lattice, or -1 where the window would leave."""
    num_borders = (extent >> 8) + 1
    start = number << 8 if number < num_borders else ((number - num_borders) << 8) - length
    return start if 0 <= start <= extent - length else -1


@part
def heavy_columns(integral, width_of_window, least, columns):
    """Write lattice numbers and starts of columns whose strip of the map holds `least`; count."""
    height, width = (integral.shape[0] - 1) << 8, (integral.shape[1] - 1) << 8
    count = 0
    for number in range(columns.shape[1]):
        x0 = lattice_start(number, width_of_window, width)
        if x0 >= 0:
            right = integral_at(integral, height, x0 + width_of_window)
            if right - integral_at(integral, height, x0) >= least:
                columns[0, count], columns[1, count] = number, x0
                count += 1
    return count


@part
def search_window(integral, size, start_word, least, columns):
    """Return the first place from a random start whose mass is at least `least`, or (-1, -1)."""
    height, width = (integral.shape[0] - 1) << 8, (integral.shape[1] - 1) << 8
    h, w = size
    num_rows, num_columns = 2 * ((height >> 8) + 1), columns.shape[1]
    start = start_word * (num_rows * num_columns) >> 32
    first_row, first_column = start // num_columns, start % num_columns
    num_heavy = heavy_columns(integral, w, least, columns)
    if num_heavy == 0:
        return -1, -1
    for turn in range(num_rows + 1):
        y0 = lattice_start((first_row + turn) % num_rows, h, height)
        if y0 < 0:
            continue
        strip = integral_at(integral, y0 + h, width) - integral_at(integral, y0, width)
        if strip < least:
            continue
        for column in range(num_heavy):
            # The row of the start is visited twice: first its end, at last its beginning.
            if turn == 0 and columns[0, column] < first_column:
                continue
            if turn == num_rows and columns[0, column] >= first_column:
                break
            x0 = columns[1, column]
            if mass_upright(integral, y0, x0, y0 + h, x0 + w) >= least:
                return y0, x0
    return -1, -1


@part
def larger_size(integral, size, step):
    """Return the size after `step` of 256 steps towards the whole image, rounded up."""
    height, width = (integral.shape[0] - 1) << 8, (integral.shape[1] - 1) << 8
    h, w = size
    return (
        h + ((height - h) * step + NUM_GROWTH_STEPS - 1) // NUM_GROWTH_STEPS,
        w + ((width - w) * step + NUM_GROWTH_STEPS - 1) // NUM_GROWTH_STEPS,
    )


@part
def grow_window(integral, size, start_word, least, columns):
    """Return place and size of the least enlargement that holds `least`."""
    fails, holds = 0, NUM_GROWTH_STEPS
    while holds - fails > 1:
        middle = (fails + holds) // 2
        larger = larger_size(integral, size, middle)
        if search_window(integral, larger, start_word, least, columns)[0] >= 0:
            holds = middle
        else:
            fails = middle
    larger = larger_size(integral, size, holds)
    return search_window(integral, larger, start_word, least, columns), larger
