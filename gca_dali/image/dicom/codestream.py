"""The first bytes of a compressed frame in, the size that it claims out, or a refusal.

JPEG, JPEG-LS and JPEG 2000 carry their own size beside the one in the DICOM header, and decoders
allocate by it. The index asks this before a file is accepted, `dicom.pixels` before it decodes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom import jpeg_parts as parts
from gca_dali.image.dicom.header import DicomHeader

J2K_START = b"\xff\x4f\xff\x51"
JPEG_START = b"\xff\xd8"
_MAX_TILES = 65535
_J2K_REACH = 1 << 16
_RUNS_HEADER_BYTES = 64
_SEQUENTIAL = (parts.BASELINE, parts.EXTENDED)
_READ = (*_SEQUENTIAL, parts.PROGRESSIVE, parts.LOSSLESS, parts.JPEG_LS)


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
        One compressed frame, or its beginning.

    Returns
    -------
    FrameShape or None
        None if no valid frame header is found.
    """
    try:
        if data[:2] == JPEG_START:
            frame = read_jpeg_headers(data)[0]
            num_samples = len(frame.components)
            return FrameShape(frame.height, frame.width, num_samples, frame.precision)
        # JPEG 2000 may lie in a JP2 file, against the standard.
        start = data.find(J2K_START, 0, _J2K_REACH)
        return _read_jpeg2000(data, start) if start >= 0 else None
    except (struct.error, IndexError):
        return None


def read_jpeg_headers(data: bytes) -> tuple[parts.JpegFrame, parts.JpegScan]:
    """Read the frame header and that of the first scan.

    Parameters
    ----------
    data : bytes
        A JPEG or JPEG-LS codestream, or its beginning.

    Returns
    -------
    frame : JpegFrame
    scan : JpegScan

    Raises
    ------
    IndexError, struct.error
        If one of them is missing or cut short.
    """
    frame = None
    for segment in parts.walk_segments(data, 2):
        if segment.marker in parts.FRAMES and frame is None:
            frame = parts.read_frame(segment)
        elif segment.marker == parts.SCAN and frame is not None:
            return frame, parts.read_scan(segment)
    raise IndexError("a JPEG without a frame or scan header")


def check_codestream(data: bytes, header: DicomHeader, name: str) -> FrameShape:
    """Compare what a codestream claims with what the header does.

    Parameters
    ----------
    data : bytes
        One compressed frame, or its beginning.
    header : DicomHeader
    name : str
        What messages call the file.

    Returns
    -------
    FrameShape

    Raises
    ------
    UnreadableImageError
        If they disagree, so that nothing of a wrong size is allocated, or it is of a kind that
        nothing here decodes.
    """
    shape = read_frame_shape(data)
    claimed = (header.height, header.width, header.num_samples)
    if shape is None or shape[:3] != claimed or not 1 <= shape.precision <= 16:
        raise UnreadableImageError(
            name,
            "a header of {}x{} pixels of {} samples but a codestream of ".format(*claimed)
            + ("no image" if shape is None else "{}x{} of {} with {} bits".format(*shape)),
        )
    if shape.precision > header.bits_allocated:
        what = f"a codestream of {shape.precision} bits for pixels of {header.bits_allocated} bits"
        raise UnreadableImageError(name, what, "Convert the file.")
    if data[:2] == JPEG_START:
        _check_kind(data, name)
    return shape


def check_runs(data: bytes, header: DicomHeader, name: str) -> None:
    """Refuse run lengths that are not of as many segments as the header's bytes of a pixel.

    Parameters
    ----------
    data : bytes
        One frame, or its beginning.
    header : DicomHeader
    name : str
        What messages call the file.

    Raises
    ------
    UnreadableImageError
        If there are other segments, or too few bytes for their list.
    """
    expected = header.bits_allocated // 8 * header.num_samples
    found = int.from_bytes(data[:4], "little") if len(data) >= _RUNS_HEADER_BYTES else 0
    if found != expected:
        what = f"{found} segments of run lengths, not {expected}"
        raise UnreadableImageError(name, what)


def _check_kind(data: bytes, name: str) -> None:
    frame, scan = read_jpeg_headers(data)
    if frame.kind not in _READ:
        what = f"a JPEG of process {frame.kind & 15}, which DICOM has retired"
        raise UnreadableImageError(name, what, "Convert the file.")
    if frame.kind in _SEQUENTIAL and (scan.first, scan.last) != (0, 63):
        what = f"a misplaced marker segment: a scan of coefficients {scan.first}…{scan.last}"
        raise UnreadableImageError(name, what + ", where a JPEG of this kind has 0…63")


def _read_jpeg2000(data: bytes, start: int) -> FrameShape | None:
    # SIZ (ITU-T T.800, A.5.1): the image reaches from its offset to the size of the grid.
    right, bottom, left, top, tile_width, tile_height = struct.unpack_from(">6L", data, start + 8)
    num_samples, depth = struct.unpack_from(">HB", data, start + 40)
    if not tile_width or not tile_height:
        return None
    if -(-right // tile_width) * -(-bottom // tile_height) > _MAX_TILES:
        return None
    return FrameShape(bottom - top, right - left, num_samples, (depth & 0x7F) + 1)
