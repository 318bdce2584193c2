"""Filtered rows of a grey PNG → its pixels (ISO 15948, section 9).

Enters: the rows as they were compressed, each behind the number of its filter. Leaves: uint8 or
native uint16 pixels. A row is one loop for its filter that keeps its neighbours in registers.
"""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.compiled import compiled, pasted


def unfilter(rows: np.ndarray, out: np.ndarray) -> bool:
    """Undo the filters of all rows.

    Parameters
    ----------
    rows : numpy.ndarray, uint8, [H * (1 + W * bytes of a pixel)]
    out : numpy.ndarray, uint8 or uint16, [H, W]
        Written. Neither is checked against the other.

    Returns
    -------
    bool
        False where a row has a filter that does not exist; `out` is then worth nothing.
    """
    return bool((unfilter_bytes if out.dtype == np.uint8 else unfilter_words)(rows, out))


@pasted
def paeth(left, above, corner):
    """Return the neighbour that is nearest to left + above − corner; int32.

    The standard compares three distances. This says the same of all 2²⁴ neighbours (F. Giesen's
    form), and waits less for `left`, which is the last to be known.
    """
    least, most = min(left, above), max(left, above)
    bound = np.int32(3) * corner - above - left
    nearest = least if most <= bound else corner
    return most if bound <= least else nearest


@compiled
def unfilter_bytes(rows, out):
    """Undo the filters of rows of bytes; see `unfilter`."""
    height, width = out.shape
    above = np.zeros(width, np.uint8)
    byte = np.int32(255)
    for y in range(height):
        start = y * (width + 1)
        kind, row, line = rows[start], rows[start + 1 : start + 1 + width], out[y]
        left = corner = np.int32(0)
        if kind == 0:
            for x in range(width):
                line[x] = row[x]
        elif kind == 1:
            for x in range(width):
                left = (np.int32(row[x]) + left) & byte
                line[x] = left
        elif kind == 2:
            for x in range(width):
                line[x] = row[x] + above[x]
        elif kind == 3:
            for x in range(width):
                left = (np.int32(row[x]) + ((left + np.int32(above[x])) >> np.int32(1))) & byte
                line[x] = left
        elif kind == 4:
            for x in range(width):
                up = np.int32(above[x])
                left = (np.int32(row[x]) + paeth(left, up, corner)) & byte
                line[x] = left
                corner = up
        else:
            return False
        above = line
    return True


@compiled
def unfilter_words(rows, out):
    """Undo the filters of rows of big-endian words: both bytes of a pixel in turn."""
    height, width = out.shape
    above = np.zeros(width, np.uint16)
    byte, eight = np.int32(255), np.int32(8)
    for y in range(height):
        start = y * (2 * width + 1)
        kind, row, line = rows[start], rows[start + 1 : start + 1 + 2 * width], out[y]
        high = low = high_corner = low_corner = np.int32(0)
        if kind == 0:
            for x in range(width):
                line[x] = np.int32(row[2 * x]) << eight | np.int32(row[2 * x + 1])
        elif kind == 1:
            for x in range(width):
                high = (np.int32(row[2 * x]) + high) & byte
                low = (np.int32(row[2 * x + 1]) + low) & byte
                line[x] = high << eight | low
        elif kind == 2:
            for x in range(width):
                up = np.int32(above[x])
                high = (np.int32(row[2 * x]) + (up >> eight)) & byte
                low = (np.int32(row[2 * x + 1]) + up) & byte
                line[x] = high << eight | low
        elif kind == 3:
            for x in range(width):
                up = np.int32(above[x])
                high = (np.int32(row[2 * x]) + ((high + (up >> eight)) >> np.int32(1))) & byte
                low = (np.int32(row[2 * x + 1]) + ((low + (up & byte)) >> np.int32(1))) & byte
                line[x] = high << eight | low
        elif kind == 4:
            for x in range(width):
                up = np.int32(above[x])
                up_high, up_low = up >> eight, up & byte
                high = (np.int32(row[2 * x]) + paeth(high, up_high, high_corner)) & byte
                low = (np.int32(row[2 * x + 1]) + paeth(low, up_low, low_corner)) & byte
                line[x] = high << eight | low
                high_corner, low_corner = up_high, up_low
        else:
            return False
        above = line
    return True
