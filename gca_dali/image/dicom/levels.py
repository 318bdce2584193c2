"""Stored values and a table in, counts or grey levels out: the passes over all pixels.

Compiled by Numba, so that each is one read and, at most, one write of the image. Between the two
`dicom.intensity` makes the table; the process that wants the image looks it up.
"""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.compiled import borrowing

NUM_CODES = 1 << 16


@borrowing
def count_levels(values, counts):
    """Count values.

    Parameters
    ----------
    values : numpy.ndarray, uint8 or uint16, [N]
    counts : numpy.ndarray, int64, [4, N]
        Of more than the largest value. Is added to; four counts side by side, because equal
        neighbours would wait for each other.
    """
    num_whole = values.size // 4 * 4
    for i in range(0, num_whole, 4):
        counts[0, values[i]] += 1
        counts[1, values[i + 1]] += 1
        counts[2, values[i + 2]] += 1
        counts[3, values[i + 3]] += 1
    for i in range(num_whole, values.size):
        counts[0, values[i]] += 1


@borrowing
def _look_up(table, codes, image):
    """Write the entry of each code: uint16, [65536]; uint8 or uint16, [N] → uint16, [N]."""
    for i in range(codes.size):
        image[i] = table[codes[i]]


@borrowing
def _look_up_four(table, codes, image):
    """Do the same of four codes of 16 bits at a time: uint64, [N] → uint64, [N]."""
    for i in range(codes.size):
        four = codes[i]
        low = np.uint64(table[four & 0xFFFF]) | np.uint64(table[(four >> 16) & 0xFFFF]) << 16
        high = np.uint64(table[(four >> 32) & 0xFFFF]) | np.uint64(table[four >> 48]) << 16
        image[i] = low | high << 32


def look_up(codes: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Make grey levels: the last pass, which writes the image.

    Parameters
    ----------
    codes : numpy.ndarray, uint8 or uint16, [H, W]
        Contiguous.
    table : numpy.ndarray, uint16, [65536]
        Entries of all codes that there can be.

    Returns
    -------
    numpy.ndarray, uint16, [H, W]
    """
    image = np.empty(codes.shape, np.uint16)
    flat, levels = codes.reshape(-1), image.reshape(-1)
    flat.flags.writeable = False  # as those of another process are: compiled once
    num_packed = flat.size // 4 * 4 if flat.dtype == np.uint16 else 0
    if num_packed:
        _look_up_four(table, flat[:num_packed].view(np.uint64), levels[:num_packed].view(np.uint64))
    if num_packed < flat.size:
        _look_up(table, flat[num_packed:], levels[num_packed:])
    return image


class StoredValues:
    """The pixels of a frame, and which values they take.

    Parameters
    ----------
    values : numpy.ndarray, uint8, uint16, int8 or int16, [H, W]

    Attributes
    ----------
    codes : numpy.ndarray, uint8 or uint16, [H, W]
        The same bits without sign, contiguous.
    stored : numpy.ndarray, int64, [N]
        Every value from the smallest, but at most 0, to the largest.
    """

    def __init__(self, values: np.ndarray) -> None:
        self.dtype, self.shape = values.dtype, values.shape
        self.codes = np.ascontiguousarray(values).view(f"u{values.itemsize}")
        smallest = min(0, int(values.min())) if values.dtype.kind == "i" else 0
        largest = int(values.max())
        # The code of a negative value is that of an unsigned one in the same bits.
        self._num_codes = largest + 1 if smallest == 0 else 1 << (8 * values.itemsize)
        self._mask = (1 << (8 * values.itemsize)) - 1
        self.stored = np.arange(smallest, largest + 1)

    def count(self, step: int = 1) -> np.ndarray:
        """Count the pixels of every value, int64, like `stored`; of every `step`-th row."""
        counts = np.zeros((4, self._num_codes), np.int64)
        count_levels(np.ascontiguousarray(self.codes[::step]).reshape(-1), counts)
        return counts.sum(axis=0)[self.stored & self._mask]

    def spread(self, levels: np.ndarray) -> np.ndarray:
        """Order the level of each value by its code: uint16, like `stored` → uint16, [65536]."""
        table = np.zeros(NUM_CODES, np.uint16)
        table[self.stored & self._mask] = levels
        return table
