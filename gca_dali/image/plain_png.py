"""Plain PNGs, which most X-rays are: grey, 8 or 16 bits, decoded in half the time of libpng.

Enters: a PNG file of critical chunks. Leaves: its pixels, or None for every other kind and every
fault, which the slower way reads or names. Called by `raster`.
"""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np

from gca_dali.image.chunks import walk_chunks
from gca_dali.image.claims import MAX_PIXELS

_GREY_AS_IT_COMES = (0, 0, 0, 0)  # colour, compression, filter, interlace
# Deflate packs 1032 bytes into one at most: a larger claim is false, and nothing is allocated.
_MOST_PACKED = 1032


def read_plain_png(data: bytes) -> np.ndarray | None:
    """Decode a PNG of 8 or 16 grey bits that is not interlaced.

    Parameters
    ----------
    data : bytes
        The file, its ancillary chunks left out: see `chunks.keep_critical`.

    Returns
    -------
    numpy.ndarray, uint8 or uint16, [H, W], or None
        As stored, not turned; None if it is of another kind, or anything about it is wrong:
        checksums of the chunks and of the pixels, lengths, filters.
    """
    chunks = list(walk_chunks(data))
    kinds = [kind for kind, _, _ in chunks]
    num_parts = len(kinds) - 2
    if num_parts < 1 or kinds != [b"IHDR", *[b"IDAT"] * num_parts, b"IEND"]:
        return None
    if not all(_is_sound(data, start, end) for _, start, end in chunks):
        return None
    _, start, end = chunks[0]
    if end - start != 25:
        return None
    width, height, depth, *kind = struct.unpack_from(">2L5B", data, start + 8)
    if depth not in (8, 16) or tuple(kind) != _GREY_AS_IT_COMES:
        return None
    view = memoryview(data)
    packed = b"".join(view[start + 8 : end - 4] for _, start, end in chunks[1:-1])
    num_bytes = height * (1 + width * depth // 8)
    if not 0 < height * width <= MAX_PIXELS or num_bytes > _MOST_PACKED * len(packed):
        return None
    # Before the pixels: where memory is short, they are what does not fit.
    from gca_dali_kernels.cpu.unfilter import unfilter

    rows = bytearray(num_bytes)
    try:
        num_found = len(imagecodecs.deflate_decode(packed, out=rows))
    except imagecodecs.DeflateError:
        return None
    pixels = np.empty((height, width), np.uint8 if depth == 8 else np.uint16)
    is_whole = num_found == num_bytes and unfilter(np.frombuffer(rows, np.uint8), pixels)
    return pixels if is_whole else None


def _is_sound(data: bytes, start: int, end: int) -> bool:
    """Compare the checksum of a chunk that may be cut short."""
    length = int.from_bytes(data[start : start + 4], "big")
    checksum = zlib.crc32(memoryview(data)[start + 4 : end - 4])
    return end - start == length + 12 and checksum.to_bytes(4, "big") == data[end - 4 : end]
