"""Read what a DICOM file says about its image without decoding it.

An open file enters; upright height and width in pixels and the stored bits leave, or a
``ValueError`` whose text is the reason to set the file aside. Called by :mod:`gca_dali.headers`.
"""

from __future__ import annotations

import io
import os
import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pydicom import Dataset

_REMEDY = "Install it with pip install 'gca_dali[dicom]'."
_KINDS = ("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_PIXEL_DATA = (0x7FE0, 0x0010)
_UNDEFINED_LENGTH = 0xFFFFFFFF
_ITEM, _DELIMITER = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)


def read_dicom_header(file: BinaryIO, num_bytes: int) -> tuple[int, int, int]:
    """Read height, width and stored bits of a single-frame DICOM image.

    Parameters
    ----------
    file : BinaryIO
        Opened at its first byte.
    num_bytes : int
        Size of the file.

    Returns
    -------
    tuple of int
        Rows, Columns and BitsStored.

    Raises
    ------
    ValueError
        If the file holds no single grey or colour frame of 8 or 16 allocated bits, or is truncated.
    RuntimeError
        If pydicom is not installed.
    """
    try:
        from pydicom import dcmread
    except ImportError:
        raise RuntimeError(f"pydicom must be installed to read DICOM. {_REMEDY}") from None
    try:
        dataset = dcmread(file, stop_before_pixels=True)
    except Exception as error:  # pydicom raises whatever its parser meets
        raise ValueError(f"DICOM with a damaged header: {error}") from None
    _check_kind(dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_deflated:  # inflated in memory: a cut there has raised already
        _check_pixel_data(file, num_bytes, dataset)
    if syntax.is_compressed and not syntax.is_deflated:
        _check_decoder(syntax)
    return int(dataset.Rows), int(dataset.Columns), int(dataset.BitsStored)


def _check_kind(dataset: Dataset) -> None:
    missing = [
        name
        for name in ("Rows", "Columns", "BitsAllocated", "BitsStored", "PhotometricInterpretation")
        if dataset.get(name) is None
    ]
    if missing:
        raise ValueError(f"DICOM without an image: {', '.join(missing)} missing")
    if "TransferSyntaxUID" not in dataset.file_meta:
        raise ValueError("DICOM without a transfer syntax")
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        raise ValueError(f"DICOM with {dataset.NumberOfFrames} frames; save each as a file")
    if dataset.BitsAllocated not in (8, 16):
        raise ValueError(f"DICOM of {dataset.BitsAllocated} allocated bits; 8 or 16 are read")
    if not 1 <= dataset.BitsStored <= dataset.BitsAllocated:
        raise ValueError(
            f"DICOM that stores {dataset.BitsStored} of {dataset.BitsAllocated} allocated bits"
        )
    if dataset.PhotometricInterpretation not in _KINDS:
        raise ValueError(f"DICOM of kind {dataset.PhotometricInterpretation}; grey or RGB is read")


def _check_decoder(syntax) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        raise ValueError(f"DICOM of unknown transfer syntax {syntax.name}") from None
    if not available:
        raise RuntimeError(f"no decoder is installed for DICOM in {syntax.name}. {_REMEDY}")


def _check_pixel_data(file: BinaryIO, num_bytes: int, dataset: Dataset) -> None:
    """Compare the length that the pixel data claim with what the file holds (PS3.5, annex A)."""
    syntax = dataset.file_meta.TransferSyntaxUID
    order = "<" if syntax.is_little_endian else ">"
    head = file.read(12)
    if len(head) < 8 or struct.unpack(order + "HH", head[:4]) != _PIXEL_DATA:
        raise ValueError("DICOM without pixel data")
    if syntax.is_implicit_VR:
        (length,) = struct.unpack(order + "I", head[4:8])
        file.seek(8 - len(head), os.SEEK_CUR)
    else:
        (length,) = struct.unpack(order + "I", head[8:12])
    if length == _UNDEFINED_LENGTH:
        _walk_fragments(file, num_bytes)
        return
    samples = int(dataset.get("SamplesPerPixel") or 1)
    needed = dataset.Rows * dataset.Columns * samples * dataset.BitsAllocated // 8
    if dataset.PhotometricInterpretation == "YBR_FULL_422":
        needed = needed * 2 // 3
    held = num_bytes - file.tell()
    if min(length, held) < needed:
        raise ValueError(f"truncated: {needed} bytes of pixels needed, {min(length, held)} there")


def _walk_fragments(file: BinaryIO, num_bytes: int) -> None:
    num_fragments = -1  # the first item is the offset table
    while len(head := file.read(8)) == 8:
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) == _DELIMITER:
            break
        if (group, element) != _ITEM or file.tell() + length > num_bytes:
            raise ValueError("truncated: a DICOM whose compressed pixels are cut")
        file.seek(length, io.SEEK_CUR)
        num_fragments += 1
    if num_fragments < 1:
        raise ValueError("DICOM without compressed pixel data")
