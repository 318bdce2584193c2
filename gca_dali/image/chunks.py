"""The chunks of a PNG file (ISO 15948): which there are, and the file without what is beside them.

Enters: the bytes of a PNG. Leaves: its chunks, checked; or a file of those that make up the pixels
alone, and its EXIF block. Called by `raster`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ANCILLARY = 0x20


def keep_critical(data: bytes) -> tuple[bytes, bytes]:
    """Leave out the chunks without which a PNG has the same pixels, sound or not.

    A wrong checksum of a remark then stops no decoder, and no text of it is unpacked.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    critical : bytes
        Signature, header, palette, pixels and end; checksums are left as they are.
    exif : bytes
        The first EXIF block; empty where there is none.

    Raises
    ------
    ValueError
        If the checksum of the EXIF block is wrong: whether the image lies on its side is unknown.
    """
    kept, exif = [SIGNATURE], b""
    for kind, start, end in walk_chunks(data):
        if not kind[0] & _ANCILLARY:
            kept.append(data[start:end])
        elif kind == b"eXIf" and not exif:
            exif = data[start + 8 : end - 4]
            if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise ValueError("a wrong checksum of its eXIf chunk")
    return b"".join(kept), exif


def walk_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each chunk and where it begins and ends, to the end chunk or the file's.

    Parameters
    ----------
    data : bytes
        The whole file; a chunk that is cut short ends with it.
    """
    start, kind = len(SIGNATURE), b""
    while kind != b"IEND" and start + 8 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, start)
        end = min(start + 12 + length, len(data))
        yield kind, start, end
        start = end
