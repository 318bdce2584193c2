"""Entropy-coded bytes of a JPEG in, samples or their number out: the loops that Numba compiles.

`decode_lossless` gives the samples of a lossless scan (ITU-T T.81, annex H), `count_blocks` walks
the blocks of a sequential scan (annex F). Neither reads a byte behind the end, and both tell how
far the data reach: decoders in C fill what is missing with grey. `dicom.jpeg` calls them.

Each Huffman table is two arrays, see `dicom.huffman`: entries for all 16 bits that may come next,
and, small enough for the fastest cache, for the first 12 of them.
"""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.compiled import borrowing

FAST_BITS = 12
# More than the 64 coefficients and the 16 that one code may pass over.
END_OF_BLOCK = 128
_CODE_BITS = 16
_MARKER = 0xFF


@borrowing
def refill(data, place, bits, num_bits, num_missing):
    """Bring the bit buffer to 32 bits or more; zeros come in behind the data, and are counted."""
    if place + 4 <= data.size:
        high = (np.int64(data[place]) << 8) | np.int64(data[place + 1])
        low = (np.int64(data[place + 2]) << 8) | np.int64(data[place + 3])
        word = (high << 16) | low
        # No byte of ones, of which the inverse is zero: nothing but data.
        inverse = word ^ 0xFFFFFFFF
        if (inverse - 0x01010101) & ~inverse & 0x80808080 == 0:
            return place + 4, (bits << 32) | word, num_bits + 32, num_missing
    while num_bits <= 48:
        byte = np.int64(0)
        if place + 1 < data.size and data[place] == _MARKER:
            # A byte of ones is followed by zero; anything else is a marker, where the data end.
            if data[place + 1] == 0:
                byte, place = np.int64(_MARKER), place + 2
            else:
                num_missing += 8
        elif place < data.size:
            byte, place = np.int64(data[place]), place + 1
        else:
            num_missing += 8
        bits = (bits << 8) | byte
        num_bits += 8
    return place, bits, num_bits, num_missing


@borrowing
def find_restart(data, place):
    """Return the place behind the restart marker that comes next, -1 where another one does."""
    while place + 1 < data.size:
        if data[place] == _MARKER and data[place + 1] != 0 and data[place + 1] != _MARKER:
            return place + 2 if 0xD0 <= data[place + 1] <= 0xD7 else -1
        place += 1
    return -1


@borrowing
def decode_lossless(data, place, full, fast, predictor, precision, restart_rows, samples):
    """Decode one scan of a lossless JPEG.

    Each sample is its prediction and difference modulo 2^precision: some devices write differences
    modulo 2^16, as the standard says, others modulo 2^precision, and both come out right.

    Parameters
    ----------
    data : numpy.ndarray, uint8, [N]
    place : int
        Of the first byte of entropy-coded data.
    full : numpy.ndarray, int32, [C, 65536]
        Code length and category of each component.
    fast : numpy.ndarray, int32, [C, 4096]
        All bits of a small difference and the difference.
    predictor : int
        1…7.
    precision : int
        Bits of a sample, 2…16, without those of the point transform.
    restart_rows : int
        Rows between restart markers; 0 for none.
    samples : numpy.ndarray, uint16, [H, W, C]
        Is filled.

    Returns
    -------
    int
        Where the data were read to; -1 where they end early or are broken.
    """
    height, width, num_components = samples.shape
    mask = (1 << precision) - 1
    bits = num_bits = num_missing = np.int64(0)
    is_first = True
    for y in range(height):
        if restart_rows and y and y % restart_rows == 0:
            place = find_restart(data, place)
            if place < 0:
                return -1
            bits = num_bits = num_missing = np.int64(0)
            is_first = True
        for x in range(width):
            for c in range(num_components):
                if num_bits < 32:
                    place, bits, num_bits, num_missing = refill(
                        data, place, bits, num_bits, num_missing
                    )
                entry = np.int64(fast[c, (bits >> (num_bits - FAST_BITS)) & 4095])
                if entry:
                    num_bits -= entry & 31
                    difference = entry >> 5
                else:
                    entry = np.int64(full[c, (bits >> (num_bits - _CODE_BITS)) & 65535])
                    if entry == 0:
                        return -1
                    num_bits -= entry & 31
                    size = entry >> 5
                    difference = np.int64(1) << 15
                    if size < 16:
                        num_bits -= size
                        difference = (bits >> num_bits) & ((1 << size) - 1)
                        if size and difference < 1 << (size - 1):
                            difference -= (1 << size) - 1
                if x == 0:
                    if is_first:
                        predicted = np.int64(1) << (precision - 1)
                    else:
                        predicted = np.int64(samples[y - 1, 0, c])
                elif is_first or predictor == 1:
                    predicted = np.int64(samples[y, x - 1, c])
                else:
                    left = np.int64(samples[y, x - 1, c])
                    above = np.int64(samples[y - 1, x, c])
                    corner = np.int64(samples[y - 1, x - 1, c])
                    if predictor == 2:
                        predicted = above
                    elif predictor == 3:
                        predicted = corner
                    elif predictor == 4:
                        predicted = left + above - corner
                    elif predictor == 5:
                        predicted = left + ((above - corner) >> 1)
                    elif predictor == 6:
                        predicted = above + ((left - corner) >> 1)
                    else:
                        predicted = (left + above) >> 1
                samples[y, x, c] = (predicted + difference) & mask
        if num_bits < num_missing:
            return -1
        is_first = False
    return place


@borrowing
def merge_steps(first, other, merged):
    """Take as many steps of a block at once as 12 bits hold.

    Parameters
    ----------
    first, other : numpy.ndarray, int32, [65536]
        Single steps from the first and from the other coefficients, by the bits that come next:
        bits, and from the sixth on coefficients.
    merged : numpy.ndarray, int32, [4096]
        Is filled: bits, from the sixth on coefficients, from the fourteenth on those before the
        last step, which must all be within the block; 0 where the first code is longer.
    """
    for code in range(merged.size):
        num_bits = position = before = 0
        entry = first[code << (_CODE_BITS - FAST_BITS)]
        # Bits behind the twelfth are unknown: no step may need them.
        while entry and num_bits + (entry & 31) <= FAST_BITS and position < 64:
            num_bits, before, position = num_bits + (entry & 31), position, position + (entry >> 5)
            next_bits = (code << num_bits) & ((1 << FAST_BITS) - 1)
            entry = other[next_bits << (_CODE_BITS - FAST_BITS)]
        merged[code] = before << 13 | position << 5 | num_bits


@borrowing
def count_blocks(data, place, full, fast, tables, num_units, restart_interval):
    """Walk a sequential scan without decoding its coefficients.

    Parameters
    ----------
    data : numpy.ndarray, uint8, [N]
    place : int
        Of the first byte of entropy-coded data.
    full : numpy.ndarray, int32, [T, 65536]
        Bits and coefficients that a code passes over, by table.
    fast : numpy.ndarray, int32, [T, 4096]
        The same of several short codes, see `merge_steps`.
    tables : numpy.ndarray, int64, [B, 2]
        Table of the first and of the other coefficients of each block of a unit.
    num_units : int
        Minimum coded units of the scan.
    restart_interval : int
        Units between restart markers; 0 for none.

    Returns
    -------
    int
        Where the data were read to; -1 where they end early or are broken.
    """
    bits = num_bits = num_missing = np.int64(0)
    for unit in range(num_units):
        if restart_interval and unit and unit % restart_interval == 0:
            place = find_restart(data, place)
            if place < 0:
                return -1
            bits = num_bits = num_missing = np.int64(0)
        for block in range(tables.shape[0]):
            position, table = np.int64(0), tables[block, 0]
            while position < 64:
                if num_bits < 32:
                    place, bits, num_bits, num_missing = refill(
                        data, place, bits, num_bits, num_missing
                    )
                entry = np.int64(fast[table, (bits >> (num_bits - FAST_BITS)) & 4095])
                if entry == 0 or position + (entry >> 13) > 63:
                    entry = np.int64(full[table, (bits >> (num_bits - _CODE_BITS)) & 65535])
                    if entry == 0:
                        return -1
                num_bits -= entry & 31
                position += (entry >> 5) & 255
                table = tables[block, 1]
            if 64 < position < END_OF_BLOCK:
                return -1
        if num_bits < num_missing:
            return -1
    return place
