"""A plain writer of lossless JPEG (ITU-T T.81, annex H): the oracle of the decoder's tests."""

from __future__ import annotations

import struct

import numpy as np

# Sixteen codes of six bits and one of five: deep enough to leave the decoder's short table too.
_CODES = {0: "00000", **{size: format(size + 1, "06b") for size in range(1, 17)}}


def encode_lossless(
    pixels: np.ndarray,
    precision: int,
    predictor: int = 1,
    modulus: int = 16,
    restart_rows: int = 0,
    low: int = 0,
) -> bytes:
    """Encode uint8 or uint16, [H, W] or [H, W, C].

    Differences are written modulo 2^modulus: 16 is the standard, some devices take the precision.
    `low` bits are cut off (the point transform).
    """
    planes = np.atleast_3d(pixels).astype(np.int64) >> low
    height, width, num_components = planes.shape
    frame = struct.pack(">BHHB", precision, height, width, num_components)
    frame += b"".join(bytes((number, 0x11, 0)) for number in range(1, num_components + 1))
    scan = bytes((num_components, *(n for c in range(1, num_components + 1) for n in (c, 0))))
    scan += bytes((predictor, 0, low))
    counts = [0] * 16
    counts[4], counts[5] = 1, 16
    parts = [
        b"\xff\xd8",
        segment(0xC3, frame),
        segment(0xC4, bytes((0, *counts, *range(17)))),
        segment(0xDD, struct.pack(">H", restart_rows * width)) if restart_rows else b"",
        segment(0xDA, scan),
    ]
    step = restart_rows or height
    for number, first in enumerate(range(0, height, step)):
        if first:
            parts.append(bytes((0xFF, 0xD0 + (number - 1) % 8)))
        rows = planes[first : first + step]
        parts.append(pack_bits(write_rows(rows, 1 << (precision - low - 1), predictor, modulus)))
    return b"".join((*parts, b"\xff\xd9"))


def write_rows(rows: np.ndarray, start: int, predictor: int, modulus: int) -> str:
    """Give the bits of rows between restarts."""
    left, above, corner = (np.zeros_like(rows) for _ in range(3))
    left[:, 1:], above[1:], corner[1:, 1:] = rows[:, :-1], rows[:-1], rows[:-1, :-1]
    predicted = {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }[predictor].copy()
    predicted[0], predicted[:, 0], predicted[0, 0] = left[0], above[:, 0], start
    half = 1 << (modulus - 1)
    differences = (rows - predicted + half) % (2 * half) - half
    return "".join(write_difference(int(difference)) for difference in differences.ravel())


def write_difference(difference: int) -> str:
    if difference == -(1 << 15):
        return _CODES[16]
    size = abs(difference).bit_length()
    value = difference if difference > 0 else difference + (1 << size) - 1
    return _CODES[size] + (format(value, f"0{size}b") if size else "")


def pack_bits(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return packed.replace(b"\xff", b"\xff\0")


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content
