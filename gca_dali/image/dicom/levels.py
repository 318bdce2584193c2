"""Stored values and a table in, grey levels or counts out: the passes over all pixels.

Compiled by Numba, so that each is one read and, at most, one write of the image. Next is
`dicom.intensity`, which makes the table.
"""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.compiled import borrowing


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
def look_up(table, values, image):
    """Write the entry of each value.

    Parameters
    ----------
    table : numpy.ndarray, uint16, [N]
        Of more than the largest value.
    values : numpy.ndarray, uint8 or uint16, [N]
    image : numpy.ndarray, uint16, [N]
        Is filled.
    """
    for i in range(values.size):
        image[i] = table[values[i]]


class StoredValues:
    """The pixels of a frame, and which values they take.

    Parameters
    ----------
    values : numpy.ndarray, uint8, uint16, int8 or int16, [H, W]

    Attributes
    ----------
    stored : numpy.ndarray, int64, [N]
        Every value from the smallest, but at most 0, to the largest.
    """

    def __init__(self, values: np.ndarray) -> None:
        self.dtype, self.shape = values.dtype, values.shape
        self._codes = np.ascontiguousarray(values).view(f"u{values.itemsize}")
        smallest, largest = min(0, int(values.min())), int(values.max())
        # The code of a negative value is that of an unsigned one in the same bits.
        self._num_codes = largest + 1 if smallest == 0 else 1 << (8 * values.itemsize)
        self._mask = (1 << (8 * values.itemsize)) - 1
        self.stored = np.arange(smallest, largest + 1)

    def count(self, step: int = 1) -> np.ndarray:
        """Count the pixels of every value, int64, like `stored`; of every `step`-th row."""
        counts = np.zeros((4, self._num_codes), np.int64)
        for row in self._codes[::step] if step > 1 else [self._codes.reshape(-1)]:
            count_levels(row, counts)
        return counts.sum(axis=0)[self.stored & self._mask]

    def map(self, table: np.ndarray, image: np.ndarray) -> None:
        """Write the entry of each pixel: table uint16, like `stored`; image uint16, [H, W]."""
        codes = np.zeros(self._num_codes, np.uint16)
        codes[self.stored & self._mask] = table
        look_up(codes, self._codes.reshape(-1), image.reshape(-1))
