"""Huffman tables of a JPEG as its header writes them in, lookup arrays for `dicom.entropy` out.

An entry is the number of bits to skip and, from its sixth bit on, what they mean; 0 where no code
begins like this, or where the short array does not reach.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gca_dali.image.dicom.entropy import END_OF_BLOCK, FAST_BITS, merge_steps

_LENGTH_BITS = 5


class Table(NamedTuple):
    """One table: symbols in the order of their codes, and the bits of each code, int32, [N]."""

    symbols: np.ndarray
    lengths: np.ndarray


def read_tables(segment: bytes) -> Iterator[tuple[int, Table]]:
    """Read the tables of one DHT segment (ITU-T T.81, B.2.4.2).

    Parameters
    ----------
    segment : bytes
        Without marker and length.

    Yields
    ------
    number : int
        Class (bit 4: 1 for the coefficients after the first) and destination (bits 0…3).
    table : Table

    Raises
    ------
    ValueError
        If the lengths of codes are not those of a tree, or the segment is too short.
    """
    place = 0
    while place < len(segment):
        number, *counts = struct.unpack_from("17B", segment, place)
        symbols = np.frombuffer(segment, np.uint8, sum(counts), place + 17).astype(np.int32)
        lengths = np.repeat(np.arange(1, 17, dtype=np.int32), counts)
        if (1 << (16 - lengths)).sum() > 1 << 16:
            raise ValueError("a broken Huffman table")
        yield number, Table(symbols, lengths)
        place += 17 + len(symbols)


def make_steps(first: Table, other: Table) -> tuple[np.ndarray, np.ndarray]:
    """Turn symbols of a sequential scan into steps over bits and coefficients (T.81, F.2.2).

    Parameters
    ----------
    first, other : Table
        Of the first coefficient of a block, and of the others.

    Returns
    -------
    full : numpy.ndarray, int32, [2, 65536]
        Entries of all bits of a code and its coefficient, and of the coefficients passed over.
    fast : numpy.ndarray, int32, [2, 4096]
        Those of several at once, see `entropy.merge_steps`.
    """
    run, size = other.symbols >> 4, other.symbols & 15
    step = np.where((size > 0) | (run == 15), run + 1, END_OF_BLOCK)
    alone = 1 << _LENGTH_BITS | first.lengths + (first.symbols & 15)
    full = np.stack(
        [_spread(first, alone), _spread(other, step << _LENGTH_BITS | other.lengths + size)]
    )
    fast = np.empty((2, 1 << FAST_BITS), np.int32)
    for start, merged in zip(full, fast, strict=True):
        merge_steps(start, full[1], merged)
    return full, fast


def make_differences(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Turn the symbols of a lossless scan into lookup arrays (ITU-T T.81, table H.2).

    Parameters
    ----------
    table : Table

    Returns
    -------
    full : numpy.ndarray, int32, [65536]
        Entries of the bits of a code, and of the bits of the difference that follows it.
    fast : numpy.ndarray, int32, [4096]
        Entries of all bits and the difference, where it has at most 12 bits with its code.
    """
    full = _spread(table, table.symbols << _LENGTH_BITS | table.lengths)
    first = full[:: 1 << (16 - FAST_BITS)]
    size, length = first >> _LENGTH_BITS, first & 31
    num_bits = length + size
    fits = (first != 0) & (num_bits <= FAST_BITS)
    num_left = np.where(fits, FAST_BITS - num_bits, 0)
    size = np.where(fits, size, 0)
    difference = (np.arange(1 << FAST_BITS) >> num_left) & ((1 << size) - 1)
    is_negative = (size > 0) & (difference < (1 << size) >> 1)
    difference -= np.where(is_negative, (1 << size) - 1, 0)
    return full, np.where(fits, (difference << _LENGTH_BITS) | num_bits, 0).astype(np.int32)


def _spread(table: Table, entries: np.ndarray) -> np.ndarray:
    """Write the entry of each code to all 16 bits that begin with it."""
    full = np.zeros(1 << 16, np.int32)
    spans = 1 << (16 - table.lengths)
    full[: spans.sum()] = np.repeat(entries, spans)
    return full
