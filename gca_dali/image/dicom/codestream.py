"""The first bytes of a compressed frame in, the size that it claims out.

JPEG, JPEG-LS and JPEG 2000 carry their own size beside the one in the DICOM header, and decoders
allocate by it. Next is `gca_dali.image.dicom.pixels`, which decodes only where both agree.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_J2K_START = b"\xff\x4f\xff\x51"
# Start-of-frame markers: C0…CF without DHT, JPG and DAC (ITU-T T.81, B.1.1.3); F7 is JPEG-LS.
_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_STANDALONE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_MAX_TILES = 65535


class FrameShape(NamedTuple):
    """Size that a codestream claims: pixels, samples per pixel, bits per sample."""

    height: int
    width: int
    num_samples: int
    precision: int


def read_frame_shape(data: bytes) -> FrameShape | None:
    """Read the size out of a JPEG, JPEG-LS, JPEG 2000 or HTJ2K codestream.

    Parameters
    ----------
    data : bytes
        One compressed frame.

    Returns
    -------
    FrameShape or None
        None if no valid frame header is found.
    """
    try:
        if data[:2] == b"\xff\xd8":
            return _read_jpeg(data)
        # JPEG 2000 may lie in a JP2 file, against the standard.
        start = data.find(_J2K_START, 0, 1 << 16)
        return _read_jpeg2000(data, start) if start >= 0 else None
    except (struct.error, IndexError):
        return None


def _read_jpeg(data: bytes) -> FrameShape | None:
    position = 2
    while data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker in _STANDALONE_MARKERS:
            position += 2
        elif marker in _FRAME_MARKERS:
            precision, height, width, num_samples = struct.unpack_from(">BHHB", data, position + 4)
            return FrameShape(height, width, num_samples, precision)
        else:
            position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    return None


def _read_jpeg2000(data: bytes, start: int) -> FrameShape | None:
    # SIZ (ITU-T T.800, A.5.1): the image reaches from its offset to the size of the grid.
    right, bottom, left, top, tile_width, tile_height = struct.unpack_from(">6L", data, start + 8)
    num_samples, depth = struct.unpack_from(">HB", data, start + 40)
    if not tile_width or not tile_height:
        return None
    if -(-right // tile_width) * -(-bottom // tile_height) > _MAX_TILES:
        return None
    return FrameShape(bottom - top, right - left, num_samples, (depth & 0x7F) + 1)
