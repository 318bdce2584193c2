"""Read what a file says about its image without decoding it.

A path enters; a :class:`Header` (upright height and width in pixels, stored bits, format) leaves,
or a ``ValueError`` whose text is the reason to set the file aside. Formats are told by content,
never by extension. DICOM goes through :mod:`gca_dali.dicom`; next is :mod:`gca_dali.index`.
"""

from __future__ import annotations

import io
import logging
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gca_dali.image import MAX_PIXELS, NUM_SNIFFED_BYTES, UnreadableImageError, sniff_format

if TYPE_CHECKING:
    from tifffile import TiffPage

# What tifffile logs about a damaged file is told by the reason; without a handler it would reach
# the terminal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_ORIENTATION_TAG = 274
# Baseline, extended sequential and progressive Huffman: what every 8-bit decoder reads.
_JPEG_FRAMES = {0xC0, 0xC1, 0xC2}
_JPEG_OTHER_FRAMES = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "lossless"),
    **dict.fromkeys((0xC5, 0xC6), "hierarchical"),
    **dict.fromkeys((0xC9, 0xCA, 0xCD, 0xCE), "arithmetic-coded"),
}
_TAIL_BYTES = 4096


@dataclass(frozen=True)
class Header:
    """What one image file says about itself.

    Parameters
    ----------
    height, width : int
        Size in pixels of the upright image: an EXIF or TIFF orientation is applied, as DALI does.
    bits : int
        Bits of a stored value: 8 or 16, for DICOM its BitsStored.
    format : str
        "jpeg", "png", "tiff" or "dicom".
    num_bytes : int
        Size of the file.
    """

    height: int
    width: int
    bits: int
    format: str
    num_bytes: int = 0


def read_header(path: str | Path) -> Header:
    """Read the header of one image file; nothing of the size that it claims is allocated.

    Parameters
    ----------
    path : str or pathlib.Path
        A regular file.

    Returns
    -------
    Header

    Raises
    ------
    ValueError
        If the file is not an image that the loader decodes; the text is the reason.
    OSError
        If the file cannot be opened.
    ImportError
        If a DICOM file is met and pydicom is not installed.
    """
    state = os.stat(path)
    if not stat.S_ISREG(state.st_mode):
        raise ValueError("not a regular file")
    if state.st_size == 0:
        raise ValueError("empty file")
    with open(path, "rb") as file:
        kind = sniff_format(file.read(NUM_SNIFFED_BYTES))
        file.seek(0)
        try:
            header = _read_by_kind(file, Path(path), kind)
        except (struct.error, EOFError):
            raise ValueError("truncated: the file ends inside its header") from None
    if header.height < 1 or header.width < 1:
        raise ValueError(f"has no pixels: {header.height} x {header.width}")
    if header.height * header.width > MAX_PIXELS:
        raise ValueError(
            f"claims {header.height} x {header.width} pixels, over {MAX_PIXELS // 10**6} megapixels"
        )
    return header


def _read_by_kind(file: BinaryIO, path: Path, kind: str) -> Header:
    num_bytes = os.fstat(file.fileno()).st_size
    bits = 8
    if kind == "jpeg":
        height, width = _read_jpeg(file)
    elif kind == "png":
        height, width, bits = _read_png(file, num_bytes)
    elif kind == "tiff":
        height, width, bits = _read_tiff(file, num_bytes)
    elif kind == "dicom":
        height, width, bits = _read_dicom(path)
    elif path.suffix.lower() in (".dcm", ".dicom"):
        raise ValueError("DICOM without its file header (preamble and 'DICM')")
    else:
        raise ValueError(
            f"not an image (extension {path.suffix or 'none'}): neither JPEG, PNG, TIFF nor DICOM, "
            f"it begins with {file.read(8)!r}"
        )
    return Header(height, width, bits, kind, num_bytes)


def _upright(height: int, width: int, orientation: int) -> tuple[int, int]:
    # Orientations 5 to 8 lie on their side (TIFF 6.0, section 8).
    return (width, height) if 5 <= orientation <= 8 else (height, width)


def _read_exactly(file: BinaryIO, num_bytes: int) -> bytes:
    data = file.read(num_bytes)
    if len(data) < num_bytes:
        raise EOFError
    return data


def _read_jpeg(file: BinaryIO) -> tuple[int, int]:
    """Walk the segments up to the scan (ITU T.81, annex B); look for the end marker after it."""
    file.seek(2)
    size, exif = None, None
    while (marker := _next_marker(file)) != 0xDA:
        if marker == 0xD9:
            raise ValueError("truncated: a JPEG without image data")
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        (length,) = struct.unpack(">H", _read_exactly(file, 2))
        if marker in _JPEG_OTHER_FRAMES:
            kind = _JPEG_OTHER_FRAMES[marker]
            raise ValueError(f"{kind} JPEG outside DICOM; save it as PNG or TIFF")
        if marker in _JPEG_FRAMES:
            size = _check_jpeg_frame(_read_exactly(file, length - 2))
        elif marker == 0xE1:
            data = _read_exactly(file, length - 2)
            if data[:6] == b"Exif\0\0":
                # DALI's decoders disagree about which of two counts, and overrun memory.
                if exif is not None:
                    raise ValueError("a JPEG with two EXIF blocks; save it again with one")
                exif = data[6:]
        else:
            file.seek(length - 2, io.SEEK_CUR)
    if size is None:
        raise ValueError("a JPEG without a frame header")
    _require_tail(file, b"\xff\xd9", "JPEG without its end marker")
    return _upright(*size, 1 if exif is None else _read_exif_orientation(exif))


def _next_marker(file: BinaryIO) -> int:
    # Bytes between segments are a harmless fault that decoders skip with a warning.
    byte = _read_exactly(file, 1)
    while True:
        while byte != b"\xff":
            byte = _read_exactly(file, 1)
        while byte == b"\xff":
            byte = _read_exactly(file, 1)
        if byte != b"\0":
            return byte[0]


def _check_jpeg_frame(frame: bytes) -> tuple[int, int]:
    precision, height, width, num_components = struct.unpack(">BHHB", frame[:6])
    if precision != 8:
        raise ValueError(f"{precision}-bit JPEG outside DICOM; save it as 16-bit PNG or TIFF")
    if num_components not in (1, 3):
        raise ValueError(f"JPEG with {num_components} channels (CMYK?); save it as grey")
    return height, width


def _read_exif_orientation(data: bytes) -> int:
    """Find tag 274 in the first directory of an EXIF block; 1 where there is none."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return 1
    try:
        (offset,) = struct.unpack_from(order + "I", data, 4)
        (num_entries,) = struct.unpack_from(order + "H", data, offset)
        for entry in range(num_entries):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", data, offset + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG and kind == 3:
                return value
    except struct.error:
        pass  # a damaged EXIF block says nothing about the pixels
    return 1


def _require_tail(file: BinaryIO, mark: bytes, what: str) -> None:
    """Require `mark` between here and the end, looking at the last bytes first."""
    here, end = file.tell(), file.seek(0, io.SEEK_END)
    for start in (max(here, end - _TAIL_BYTES), here):
        file.seek(start)
        if mark in file.read():
            return
    raise ValueError(f"truncated: a {what}")


def _read_png(file: BinaryIO, num_bytes: int) -> tuple[int, int, int]:
    """Walk the chunks up to the image data (ISO 15948); look for the end chunk after it."""
    file.seek(8)
    length, kind = struct.unpack(">I4s", _read_exactly(file, 8))
    if kind != b"IHDR" or length != 13:
        raise ValueError("a PNG without its header chunk")
    width, height, depth, colour = struct.unpack(">IIBB", _read_exactly(file, 13)[:10])
    if depth not in (1, 2, 4, 8, 16) or colour not in (0, 2, 3, 4, 6):
        raise ValueError(f"PNG of unknown kind: {depth} bits, colour type {colour}")
    file.seek(4, io.SEEK_CUR)
    exif = None
    while True:
        length, kind = struct.unpack(">I4s", _read_exactly(file, 8))
        if kind == b"IDAT":
            break
        if kind == b"IEND":
            raise ValueError("truncated: a PNG without image data")
        if file.tell() + length > num_bytes:
            raise EOFError
        if kind == b"eXIf":
            data = _read_exactly(file, length)
            sound = struct.pack(">I", zlib.crc32(kind + data)) == _read_exactly(file, 4)
            # DALI's decoders disagree about such a chunk, and overrun memory.
            if exif is not None or not sound or data[:4] not in (b"II*\0", b"MM\0*"):
                raise ValueError("a PNG with a damaged or repeated eXIf chunk; save it again")
            exif = data
            continue
        file.seek(length + 4, io.SEEK_CUR)
    _require_tail(file, b"IEND\xaeB`\x82", "PNG without its end chunk")
    upright = _upright(height, width, 1 if exif is None else _read_exif_orientation(exif))
    return (*upright, 16 if depth == 16 else 8)


def _read_tiff(file: BinaryIO, num_bytes: int) -> tuple[int, int, int]:
    import tifffile

    try:
        with tifffile.TiffFile(file) as tiff:
            pages = [page.aspage() for page in tiff.pages]
        pages = [page for page in pages if not page.is_reduced]
        if len(pages) == 1:
            return _check_tiff_page(pages[0], num_bytes)
    except _UnsuitableError as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # tags of another type than they should be make it raise anything
        raise ValueError(f"TIFF with a damaged header ({error})") from None
    if not pages:
        raise ValueError("truncated: a TIFF without a page")
    raise ValueError(f"TIFF with {len(pages)} pages; save each as a file")


class _UnsuitableError(Exception):
    """A sound TIFF that the loader does not read."""


def _check_tiff_page(page: TiffPage, num_bytes: int) -> tuple[int, int, int]:
    bits = int(page.bitspersample)
    if page.dtype is None or page.dtype.name not in ("uint8", "uint16") or bits not in (8, 16):
        raise _UnsuitableError(f"{bits}-bit {page.dtype} TIFF; save it as uint8 or uint16")
    kind = getattr(page.photometric, "name", page.photometric)
    if kind not in ("MINISBLACK", "RGB", "YCBCR"):
        # DALI 2.4 inverts MinIsWhite at 8 bits and leaves it at 16.
        raise _UnsuitableError(f"TIFF of kind {kind}; save it as grey, black being 0")
    ends = [start + n for start, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if not ends or max(ends) > num_bytes:
        raise _UnsuitableError("truncated: a TIFF whose pixels lie past the end of the file")
    tag = page.tags.get(_ORIENTATION_TAG)
    height, width = int(page.imagelength), int(page.imagewidth)
    return (*_upright(height, width, int(tag.value) if tag else 1), bits)


def _read_dicom(path: Path) -> tuple[int, int, int]:
    from gca_dali.dicom import probe_dicom

    try:
        header = probe_dicom(path)
    except UnreadableImageError as error:
        raise ValueError(error.reason) from None
    if header.num_frames > 1:
        raise ValueError(f"DICOM with {header.num_frames} frames; save each as a file")
    return header.height, header.width, header.bits_stored
