"""A DICOM file in, an open file out whose header is checked and whose pixels are found.

Everything is checked that can be without decoding: coding, size, and that no byte is missing.
Next is `gca_dali.image.dicom.pixels`, which decodes one frame of it.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from gca_dali.image.claims import UnreadableImageError, check_is_file
from gca_dali.image.dicom.header import HEADER_TAGS, DicomHeader, make_header

_PREAMBLE_BYTES = 132
_DEFLATED = DeflatedExplicitVRLittleEndian.encode()
_EXPLICIT = b"1.2.840.10008.1.2.1\0\0\0"
_MAX_INFLATED_BYTES = 1 << 30
_PIXEL_DATA = (0x7FE0, 0x0010)
_ITEM = (0xFFFE, 0xE000)
_DELIMITER = (0xFFFE, 0xE0DD)
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class OpenDicom:
    """An open file whose header was checked, and where its pixels begin.

    Attributes
    ----------
    path : str
        What messages call it.
    stream : BinaryIO
        The file, or its inflated content.
    dataset : pydicom.Dataset
        Only elements that pixels need.
    header : DicomHeader
        The checked header.
    pixel_offset : int
        Where the value of Pixel Data begins.
    pixel_vr : str
        "OB" or "OW".
    """

    path: str
    stream: BinaryIO
    dataset: Dataset
    header: DicomHeader
    pixel_offset: int
    pixel_vr: str


@contextmanager
def open_dicom(path: str | Path, *, with_patient: bool = False) -> Iterator[OpenDicom]:
    """Open a file, parse and check its header, and find its pixels.

    Parameters
    ----------
    path : str or pathlib.Path
        A DICOM file.
    with_patient : bool
        Also read the patient identifier.

    Yields
    ------
    OpenDicom

    Raises
    ------
    FileNotFoundError
        If there is no such regular file.
    UnreadableImageError
        If it is no DICOM image, is cut short, or codes pixels in a way that nothing here reads.
    """
    name = str(path)
    check_is_file(path)
    with open(path, "rb") as raw:
        try:
            stream = _inflate(raw, name)
            tags = [*HEADER_TAGS, Tag("PatientID")] if with_patient else HEADER_TAGS
            dataset = dcmread(stream, stop_before_pixels=True, specific_tags=tags)
            if stream is not raw:
                dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
            file = _locate_pixels(stream, dataset, name)
        except UnreadableImageError:
            raise
        # pydicom raises anything on broken bytes: KeyError, struct.error, RecursionError.
        except Exception as error:
            reason = f"a broken DICOM header ({type(error).__name__}: {error})"
            raise UnreadableImageError(name, reason[:300]) from error
        yield file


def _inflate(stream: BinaryIO, name: str) -> BinaryIO:
    head = stream.read(_PREAMBLE_BYTES + 12)
    stream.seek(0)
    if head[128:132] != b"DICM":
        raise UnreadableImageError(
            name,
            "a file without the DICOM header (128 bytes and 'DICM')",
            "Export it again as a DICOM file (Part 10).",
        )
    (group_length,) = struct.unpack("<L", head[140:144]) if len(head) == 144 else (0,)
    meta = stream.read(len(head) + min(group_length, 1 << 16))
    if _DEFLATED not in meta:
        stream.seek(0)
        return stream
    # pydicom would inflate without a limit; the explicit coding is what lies inside.
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(stream.read(), _MAX_INFLATED_BYTES)
    if inflater.unconsumed_tail:
        raise UnreadableImageError(name, f"over {_MAX_INFLATED_BYTES >> 20} MiB when inflated")
    return io.BytesIO(meta.replace(_DEFLATED, _EXPLICIT) + body)


def _locate_pixels(stream: BinaryIO, dataset: Dataset, name: str) -> OpenDicom:
    syntax = UID(dataset.file_meta.get("TransferSyntaxUID", ""))
    _check_decoder(syntax, name)
    order = "<" if syntax.is_little_endian else ">"
    head = stream.read(8)
    if len(head) < 8:
        raise UnreadableImageError(name, "a DICOM file without pixels, or cut short before them")
    vr = "OW"
    if syntax.is_implicit_VR:
        *tag, length = struct.unpack(f"{order}HHL", head)
    else:
        *tag, code, _ = struct.unpack(f"{order}HH2sH", head)
        (length,) = struct.unpack(f"{order}L", stream.read(4))
        vr = "OB" if code == b"OB" else "OW"
    if tuple(tag) != _PIXEL_DATA:
        raise UnreadableImageError(name, "floating-point pixels", "Store integers of 16 bits.")
    header = make_header(dataset, str(syntax), name)
    start = stream.tell()
    num_left = stream.seek(0, io.SEEK_END) - start
    if syntax.is_encapsulated:
        stream.seek(start)
        num_fragments = _check_fragments(stream, num_left, name)
        if num_fragments < header.num_frames:
            found = f"{header.num_frames} frames in {num_fragments} fragments of pixel data"
            raise UnreadableImageError(name, found)
    else:
        needed = header.height * header.width * header.num_samples * dataset.BitsAllocated // 8
        if header.photometric == "YBR_FULL_422":
            needed = needed * 2 // 3
        if min(length, num_left) < needed * header.num_frames:
            found = f"{min(length, num_left)} of {needed * header.num_frames} bytes"
            raise UnreadableImageError(name, f"pixel data cut short at {found}")
    return OpenDicom(name, stream, dataset, header, start, vr)


def _check_decoder(syntax: UID, name: str) -> None:
    try:
        is_available = get_decoder(syntax).is_available
    except NotImplementedError:
        is_available = False
    if not is_available:
        coding = syntax.name if syntax.is_transfer_syntax else repr(str(syntax))
        raise UnreadableImageError(
            name, f"the coding {coding}, for which no decoder is here", "Convert the file."
        )


def _check_fragments(stream: BinaryIO, num_left: int, name: str) -> int:
    """Walk and count fragments of compressed pixels: decoders fill what is missing with grey."""
    num_items = 0
    while num_left >= 8:
        group, element, length = struct.unpack("<HHL", stream.read(8))
        num_left -= 8
        if (group, element) == _DELIMITER:
            break
        if (group, element) != _ITEM or length == _UNDEFINED:
            raise UnreadableImageError(name, "compressed pixel data with a broken fragment")
        if length > num_left:
            raise UnreadableImageError(
                name, f"compressed pixel data cut short by {length - num_left} bytes"
            )
        stream.seek(length, io.SEEK_CUR)
        num_left -= length
        num_items += 1
    return num_items - 1  # the first is the table of offsets
