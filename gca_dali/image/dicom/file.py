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
from pydicom.dataelem import RawDataElement
from pydicom.filereader import _read_file_meta_info
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from gca_dali.image.claims import UnreadableImageError, check_is_file
from gca_dali.image.dicom.codestream import check_codestream, check_runs, read_frame_shape
from gca_dali.image.dicom.fragments import Fragment, find_frames, read_fragments
from gca_dali.image.dicom.header import HEADER_TAGS, READ_SYNTAXES, DicomHeader, make_header

_PREAMBLE_BYTES = 132
_DEFLATED = DeflatedExplicitVRLittleEndian.encode()
_EXPLICIT = b"1.2.840.10008.1.2.1\0\0\0"
_MAX_INFLATED_BYTES = 1 << 30
_PIXEL_DATA = (0x7FE0, 0x0010)
_PIXEL_VRS = (b"OB", b"OW", b"UN")
_UNDEFINED = 0xFFFFFFFF
# Where the header of a codestream ends, unless an application wrote much before it.
_CODESTREAM_HEAD_BYTES = 1 << 14


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
    is_big_endian : bool
        Whether uncompressed values have their high byte first.
    frames : tuple of tuple of Fragment
        Of compressed pixels, the fragments of each frame.
    """

    path: str
    stream: BinaryIO
    dataset: Dataset
    header: DicomHeader
    pixel_offset: int
    pixel_vr: str
    is_big_endian: bool
    frames: tuple[tuple[Fragment, ...], ...]


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
    if stream.read(_PREAMBLE_BYTES)[128:] != b"DICM":
        raise UnreadableImageError(
            name,
            "a file without the DICOM header (128 bytes and 'DICM')",
            "Export it again as a DICOM file (Part 10).",
        )
    # pydicom would inflate without a limit. What it goes by is what its own parser finds in the
    # file meta elements, whatever the group length before them says.
    syntax = _read_file_meta_info(stream).get("TransferSyntaxUID")
    num_meta_bytes = stream.tell()
    stream.seek(0)
    if syntax != DeflatedExplicitVRLittleEndian:
        return stream
    meta = stream.read(num_meta_bytes)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(stream.read(), _MAX_INFLATED_BYTES)
    if inflater.unconsumed_tail:
        raise UnreadableImageError(name, f"over {_MAX_INFLATED_BYTES >> 20} MiB when inflated")
    # The explicit coding is what lies inside.
    return io.BytesIO(meta.replace(_DEFLATED, _EXPLICIT) + body)


def _locate_pixels(stream: BinaryIO, dataset: Dataset, name: str) -> OpenDicom:
    start, vr, length = _read_pixel_tag(stream, dataset, name)
    syntax = _find_syntax(dataset, vr, length, name)
    dataset.file_meta.TransferSyntaxUID = syntax  # tables are in its byte order
    header = make_header(dataset, str(syntax), name)
    num_left = stream.seek(0, io.SEEK_END) - start
    frames = ()
    if header.is_compressed:
        stream.seek(start)
        frames = find_frames(stream, num_left, header.num_frames, name)
    elif length == _UNDEFINED:
        raise UnreadableImageError(name, f"compressed pixel data under the coding {syntax.name}")
    else:
        needed = header.num_frame_bytes * header.num_frames
        if min(length, num_left) < needed:
            found = f"{min(length, num_left)} of {needed} bytes"
            raise UnreadableImageError(name, f"pixel data cut short at {found}")
    is_big_endian = syntax == ExplicitVRBigEndian
    return OpenDicom(name, stream, dataset, header, start, vr or "OW", is_big_endian, frames)


def _read_pixel_tag(stream: BinaryIO, dataset: Dataset, name: str) -> tuple[int, str, int]:
    """Give where the value of Pixel Data begins, its VR ("" where none is written), its length."""
    head = stream.read(12)
    if len(head) < 8:
        raise UnreadableImageError(name, "a DICOM file without pixels, or cut short before them")
    order = "<" if dataset.original_encoding[1] else ">"
    tag, code = struct.unpack_from(f"{order}HH", head), head[4:6]
    if tag != _PIXEL_DATA:
        raise UnreadableImageError(name, "floating-point pixels", "Store integers of 16 bits.")
    # As pydicom does, by how the elements before are written and not by what the transfer syntax
    # promises. Where they have codes, a length instead of one would be odd.
    rows = dataset.get_item("Rows")
    is_implicit = isinstance(rows, RawDataElement) and rows.is_implicit_VR
    if not is_implicit and code in _PIXEL_VRS:
        (length,) = struct.unpack_from(f"{order}L", head, 8)
        return stream.tell(), "OB" if code == b"OB" else "OW", length
    (length,) = struct.unpack_from(f"{order}L", head, 4)
    return stream.tell() - len(head) + 8, "", length


def _find_syntax(dataset: Dataset, vr: str, length: int, name: str) -> UID:
    """Name the coding; where the file does not, an uncompressed one is known by its look."""
    syntax = UID(dataset.file_meta.get("TransferSyntaxUID") or "")
    if not syntax:
        if length == _UNDEFINED:
            what = "compressed pixels without a Transfer Syntax UID that says how"
            raise UnreadableImageError(name, what, "Export it again as a DICOM file (Part 10).")
        explicit = ExplicitVRLittleEndian if dataset.original_encoding[1] else ExplicitVRBigEndian
        return explicit if vr else ImplicitVRLittleEndian
    if syntax not in READ_SYNTAXES:
        coding = syntax.name if syntax.is_transfer_syntax else repr(str(syntax))
        raise UnreadableImageError(
            name, f"the coding {coding}, for which no decoder is here", "Convert the file."
        )
    return syntax


def check_frames(file: OpenDicom) -> None:
    """Check the codestream of each frame against the header, without decoding.

    Parameters
    ----------
    file : OpenDicom
        An open file; nothing is done where pixels are uncompressed.

    Raises
    ------
    UnreadableImageError
        If a codestream disagrees with the header or is of a kind that nothing here decodes.
    """
    for fragments in file.frames:
        head = read_fragments(file.stream, fragments, _CODESTREAM_HEAD_BYTES)
        if file.header.transfer_syntax == RLELossless:
            check_runs(head, file.header, file.path)
            continue
        if read_frame_shape(head) is None:
            head = read_fragments(file.stream, fragments)
        check_codestream(head, file.header, file.path)
