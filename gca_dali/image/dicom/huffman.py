"""Huffman tables of a JPEG as its header writes them in, lookup arrays for `dicom.entropy` out.

An entry is the number of bits to skip and, from its sixth bit on, what they mean; 0 where no code
begins like this, or where the short array does not reach.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gca_dali.image.dicom.entropy import END_OF_BLOCK, FAST_BITS

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


def make_steps(table: Table, is_first: bool) -> tuple[np.ndarray, np.ndarray]:
    """Turn symbols of a sequential scan into steps over bits and coefficients (T.81, F.2.2).

    Parameters
    ----------
    table : Table
    is_first : bool
        Whether the table is of first coefficients, which stand alone.

    Returns
    -------
    full : numpy.ndarray, int32, [65536]
        Entries of all bits of a code and its coefficient, and of the coefficients passed over.
    fast : numpy.ndarray, int32, [4096]
        Those whose code has at most 12 bits.
    """
    run, size = table.symbols >> 4, table.symbols & 15
    step = np.where((size > 0) | (run == 15), run + 1, END_OF_BLOCK)
    if is_first:
        step = np.ones_like(run)
    entries = step << _LENGTH_BITS | table.lengths + size
    return _spread(table, entries)


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
    full, first = _spread(table, table.symbols << _LENGTH_BITS | table.lengths)
    size, length = first >> _LENGTH_BITS, first & 31
    num_bits = length + size
    fits = (first != 0) & (num_bits <= FAST_BITS)
    num_left = np.where(fits, FAST_BITS - num_bits, 0)
    size = np.where(fits, size, 0)
    difference = (np.arange(1 << FAST_BITS) >> num_left) & ((1 << size) - 1)
    is_negative = (size > 0) & (difference < (1 << size) >> 1)
    difference -= np.where(is_negative, (1 << size) - 1, 0)
    return full, np.where(fits, (difference << _LENGTH_BITS) | num_bits, 0).astype(np.int32)


def _spread(table: Table, entries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write the entry of each code to all 16 bits, and 12 bits, that begin with it."""
    full, fast = np.zeros(1 << 16, np.int32), np.zeros(1 << FAST_BITS, np.int32)
    spans = 1 << (16 - table.lengths)
    full[: spans.sum()] = np.repeat(entries, spans)
    is_short = table.lengths <= FAST_BITS
    spans = spans[is_short] >> (16 - FAST_BITS)
    fast[: spans.sum()] = np.repeat(entries[is_short], spans)
    return full, fast
