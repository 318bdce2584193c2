"""The segments of a JPEG before its pixels: size, EXIF block, and whether it is one that we read.

An open file enters; what its segments say leaves, or a `ValueError` with the reason. Called by
`gca_dali.image.headers`.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_RESTARTS = range(0xD0, 0xD8)
_EXIF = 0xE1
# Baseline, extended sequential and progressive Huffman: what every 8-bit decoder reads.
_FRAMES = {0xC0, 0xC1, 0xC2}
_OTHER_FRAMES = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "lossless"),
    **dict.fromkeys((0xC5, 0xC6), "hierarchical"),
    **dict.fromkeys((0xC9, 0xCA, 0xCD, 0xCE), "arithmetic-coded"),
}
# Tables, restart interval, lines, applications' and remarks; decoders stop at any other kind.
_OTHER_SEGMENTS = {0xC4, 0xCC, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE}
_TAIL_BYTES = 4096


def read_jpeg_segments(file: BinaryIO) -> tuple[tuple[int, int], bytes | None, bool]:
    """Walk the segments up to the scan (ITU T.81, annex B); look for the end marker after it.

    Parameters
    ----------
    file : BinaryIO
        Seekable.

    Returns
    -------
    size : tuple of int
        Height and width, pixels as stored.
    exif : bytes or None
        Content of the EXIF block, if there is one.
    has_strays : bool
        Whether bytes lie between segments, a fault that libjpeg passes over with a warning.

    Raises
    ------
    ValueError
        If the loader does not decode it; the text is the reason.
    EOFError, struct.error
        If it ends inside its header.
    """
    file.seek(2)
    size, exif, has_strays = None, None, False
    while True:
        marker, is_stray = _next_marker(file)
        has_strays |= is_stray or marker in _RESTARTS
        if marker == _SCAN:
            break
        if marker == _END:
            raise ValueError("truncated: a JPEG without image data")
        if marker in _RESTARTS:
            continue
        if marker in _OTHER_FRAMES:
            kind = _OTHER_FRAMES[marker]
            raise ValueError(f"{kind} JPEG outside DICOM; save it as PNG or TIFF")
        if marker not in _FRAMES and marker not in _OTHER_SEGMENTS:
            raise ValueError(
                f"a JPEG with a misplaced or unknown marker {marker:02X}; save it again"
            )
        (length,) = struct.unpack(">H", read_exactly(file, 2))
        if marker in _FRAMES:
            size = _check_frame(read_exactly(file, length - 2))
        elif marker == _EXIF:
            data = read_exactly(file, length - 2)
            if data[:6] == b"Exif\0\0":
                # DALI's decoders disagree about which of two counts, and overrun memory.
                if exif is not None:
                    raise ValueError("a JPEG with two EXIF blocks; save it again with one")
                exif = data[6:]
        else:
            file.seek(length - 2, io.SEEK_CUR)
    if size is None:
        raise ValueError("a JPEG without a frame header")
    _require_end(file)
    return size, exif, has_strays


def read_exactly(file: BinaryIO, num_bytes: int) -> bytes:
    """Read so many bytes; EOFError where there are fewer."""
    data = file.read(num_bytes)
    if len(data) < num_bytes:
        raise EOFError
    return data


def _next_marker(file: BinaryIO) -> tuple[int, bool]:
    """Return the next marker, and whether anything but filling bytes lies before it."""
    byte, is_stray = read_exactly(file, 1), False
    while True:
        while byte != b"\xff":
            byte, is_stray = read_exactly(file, 1), True
        while byte == b"\xff":
            byte = read_exactly(file, 1)
        if byte != b"\0":
            return byte[0], is_stray


def _check_frame(frame: bytes) -> tuple[int, int]:
    precision, height, width, num_components = struct.unpack(">BHHB", frame[:6])
    if precision != 8:
        raise ValueError(f"{precision}-bit JPEG outside DICOM; save it as 16-bit PNG or TIFF")
    if num_components not in (1, 3):
        raise ValueError(f"JPEG with {num_components} channels (CMYK?); save it as grey")
    return height, width


def _require_end(file: BinaryIO) -> None:
    """Require an end marker between here and the end, looking at the last bytes first."""
    here, end = file.tell(), file.seek(0, io.SEEK_END)
    for start in (max(here, end - _TAIL_BYTES), here):
        file.seek(start)
        if b"\xff\xd9" in file.read():
            return
    raise ValueError("truncated: a JPEG without its end marker")
