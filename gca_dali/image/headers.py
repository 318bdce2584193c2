"""Read what a file says about its image without decoding it.

A path enters; a :class:`Header` (upright height and width in pixels, stored bits, format) leaves,
or a ``ValueError`` whose text is the reason to set the file aside. Formats are told by content,
never by extension. DICOM goes through `image.dicom`; next is `data.index`.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gca_dali.image.claims import (
    MAX_PIXELS,
    NUM_SNIFFED_BYTES,
    RARE,
    UnreadableImageError,
    is_plain_exif,
    read_exif_orientation,
    sniff_format,
)
from gca_dali.image.headers_jpeg import read_exactly, read_jpeg_segments
from gca_dali.image.headers_tiff import read_tiff_header, upright_size

_BUFFER_BYTES = 512  # one hop from chunk to chunk must not read what lies between


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
        "jpeg", "png", "tiff", "dicom", or one of `RARE_FORMATS`: kinds that DALI misreads.
    num_bytes : int
        Size of the file.
    num_frames : int
        Of a DICOM file.
    patient : str
        Patient identifier of a DICOM file, only if it was asked for.
    """

    height: int
    width: int
    bits: int
    format: str
    num_bytes: int = 0
    num_frames: int = 1
    patient: str = ""


def read_header(path: str | Path, *, with_patient: bool = False, voi: str = "auto") -> Header:
    """Read the header of one image file; nothing of the size that it claims is allocated.

    Parameters
    ----------
    path : str or pathlib.Path
        A regular file.
    with_patient : bool
        Also read the patient identifier of a DICOM file.
    voi : str
        What will set the contrast of a DICOM file, which must have it: "window" or "lut". See
        :func:`gca_dali.image.voi.parse_voi`.

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
    with open(path, "rb", buffering=_BUFFER_BYTES) as file:
        kind = sniff_format(file.read(NUM_SNIFFED_BYTES))
        file.seek(0)
        try:
            if kind == "dicom":
                header = _read_dicom(Path(path), state.st_size, with_patient, voi)
            else:
                header = read_raster_header(file, kind, Path(path).suffix.lower())
        except (struct.error, EOFError):
            raise ValueError("truncated: the file ends inside its header") from None
    return _check_size(header)


def read_raster_header(file: BinaryIO, kind: str, suffix: str = "") -> Header:
    """Read the header of an open JPEG, PNG or TIFF.

    Parameters
    ----------
    file : BinaryIO
        Seekable, at its beginning.
    kind : str
        From :func:`gca_dali.image.read.sniff_format`.
    suffix : str
        Of its name, for messages.

    Returns
    -------
    Header

    Raises
    ------
    ValueError
        If the loader does not decode it; the text is the reason.
    EOFError, struct.error
        If it ends inside its header.
    """
    num_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    bits = 8
    if kind == "jpeg":
        size, exif, has_strays = read_jpeg_segments(file)
        height, width, is_rare = _turn(size, exif)
        is_rare |= has_strays  # DALI refuses them
    elif kind == "png":
        height, width, is_rare, bits = _read_png(file, num_bytes)
    elif kind == "tiff":
        height, width, is_rare, bits = read_tiff_header(file, num_bytes)
    elif suffix in (".dcm", ".dicom"):
        raise ValueError("DICOM without its file header (preamble and 'DICM')")
    else:
        raise ValueError(
            f"not an image (extension {suffix or 'none'}): neither JPEG, PNG, TIFF nor DICOM, "
            f"it begins with {file.read(8)!r}"
        )
    return _check_size(Header(height, width, bits, kind + RARE * is_rare, num_bytes))


def _check_size(header: Header) -> Header:
    if header.height < 1 or header.width < 1:
        raise ValueError(f"has no pixels: {header.height} x {header.width}")
    if header.height * header.width > MAX_PIXELS:
        raise ValueError(
            f"claims {header.height} x {header.width} pixels, over {MAX_PIXELS // 10**6} megapixels"
        )
    return header


def _turn(size: tuple[int, int], exif: bytes | None) -> tuple[int, int, bool]:
    """Return the upright size, and whether a decoder may misread the orientation."""
    if exif is None:
        return (*size, False)
    return (*upright_size(*size, read_exif_orientation(exif)), not is_plain_exif(exif))


def _read_png(file: BinaryIO, num_bytes: int) -> tuple[int, int, bool, int]:
    """Walk the chunks (ISO 15948)."""
    file.seek(8)
    length, kind = struct.unpack(">I4s", read_exactly(file, 8))
    if kind != b"IHDR" or length != 13:
        raise ValueError("a PNG without its header chunk")
    width, height, depth, colour = struct.unpack(">IIBB", read_exactly(file, 13)[:10])
    if depth not in (1, 2, 4, 8, 16) or colour not in (0, 2, 3, 4, 6):
        raise ValueError(f"PNG of unknown kind: {depth} bits, colour type {colour}")
    file.seek(4, io.SEEK_CUR)
    exif, has_pixels = None, False
    while True:
        head = file.read(8)
        if len(head) < 8 or (head[4:] == b"IEND" and len(file.read(4)) < 4):
            raise ValueError("truncated: a PNG without its end chunk")
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            break
        if file.tell() + length > num_bytes:
            raise ValueError("truncated: a PNG that ends inside a chunk")
        has_pixels |= kind == b"IDAT"
        # DALI looks for it behind the pixels too.
        if kind == b"eXIf":
            data = read_exactly(file, length)
            sound = struct.pack(">I", zlib.crc32(kind + data)) == read_exactly(file, 4)
            # DALI's decoders disagree about such a chunk, and overrun memory.
            if exif is not None or not sound or data[:4] not in (b"II*\0", b"MM\0*"):
                raise ValueError("a PNG with a damaged or repeated eXIf chunk; save it again")
            exif = data
            continue
        file.seek(length + 4, io.SEEK_CUR)
    if not has_pixels:
        raise ValueError("truncated: a PNG without image data")
    return (*_turn((height, width), exif), 16 if depth == 16 else 8)


def _read_dicom(path: Path, num_bytes: int, with_patient: bool, voi: str) -> Header:
    from gca_dali.image.dicom import probe_dicom

    try:
        header = probe_dicom(path, with_patient=with_patient, voi=voi)
    except UnreadableImageError as error:
        cause = (
            error.__cause__ if isinstance(error.__cause__, OSError) else None
        )  # a disk's, perhaps
        raise ValueError(error.reason) from cause
    return Header(
        header.height,
        header.width,
        header.bits_stored,
        "dicom",
        num_bytes,
        header.num_frames,
        header.patient,
    )
