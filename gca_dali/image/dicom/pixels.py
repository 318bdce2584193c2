"""An open DICOM file in, one frame of stored values out.

The frame is decoded as coded: no lookup table, no window, no inversion. Next is
`gca_dali.image.dicom.intensity`, which turns stored values into grey levels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pydicom.uid import RLELossless

from gca_dali.image.dicom.codecs import decode_codestream
from gca_dali.image.dicom.codestream import check_codestream, check_runs
from gca_dali.image.dicom.file import OpenDicom
from gca_dali.image.dicom.fragments import read_fragments
from gca_dali.image.dicom.header import LOSSLESS_SYNTAXES, DicomHeader
from gca_dali.image.dicom.runs import decode_runs

Allocate = Callable[[tuple[int, ...], Any], np.ndarray]


def decode_frame(
    file: OpenDicom, frame: int, allocate: Allocate = np.empty
) -> tuple[np.ndarray, str]:
    """Decode one frame.

    Parameters
    ----------
    file : OpenDicom
        An open file.
    frame : int
        Which frame, from 0.
    allocate : callable
        Gives memory for the samples of most codings: shape and dtype → numpy.ndarray.

    Returns
    -------
    values : numpy.ndarray, uint8, uint16, int8 or int16, [H, W] or [H, W, 3]
        Stored values: unused bits removed, sign extended.
    photometric : str
        Colour space of `values`, which a codec may have changed.

    Raises
    ------
    UnreadableImageError
        If the codestream disagrees with the header, so that nothing of a wrong size is allocated.
    Exception
        Whatever the decoder raises on broken data.
    """
    header = file.header
    if header.is_compressed and header.transfer_syntax != RLELossless:
        data = read_fragments(file.stream, file.frames[frame])
        precision = check_codestream(data, header, file.path).precision
        samples, photometric = decode_codestream(data, header, allocate)
        if samples.shape[:2] != (header.height, header.width):
            raise ValueError(f"{samples.shape[0]}x{samples.shape[1]} pixels decoded")
        return _take_stored(samples, precision, header), photometric
    if header.is_compressed:
        data = read_fragments(file.stream, file.frames[frame])
        check_runs(data, header, file.path)
        values = decode_runs(data, header, allocate)
    else:
        values = _read_plain(file, frame, allocate)
    values = _extract_bits(values, header.bits_stored, header.high_bit, header.is_signed)
    return values, header.photometric


def _read_plain(file: OpenDicom, frame: int, allocate: Allocate) -> np.ndarray:
    """Read an uncompressed frame from where it lies."""
    header = file.header
    num_bytes = header.num_frame_bytes
    start, before = frame * num_bytes, 0
    is_paired = file.is_big_endian and file.pixel_vr == "OW"
    if is_paired:  # bytes that were written as words of the other order lie in pairs
        before = start % 2
    raw = allocate((before + num_bytes + (before + num_bytes) % 2,), np.uint8)
    file.stream.seek(file.pixel_offset + start - before)
    num_read = file.stream.readinto(raw.data)  # pyright: ignore[reportAttributeAccessIssue]
    if num_read < before + num_bytes:
        raise ValueError("a file that became shorter")
    if header.bits_allocated == 16:
        values = raw.view(np.uint16)
        if file.is_big_endian:
            values.byteswap(inplace=True)
    else:
        if is_paired:
            raw.view(np.uint16).byteswap(inplace=True)
        values = raw[before : before + num_bytes]
    shape = (header.height, header.width)
    if header.photometric == "YBR_FULL_422":
        # Two pixels are Y Y Cb Cr.
        pairs = values.reshape(-1, 4)
        return np.stack([pairs[:, [0, 1]], pairs[:, [2, 2]], pairs[:, [3, 3]]], -1).reshape(
            *shape, 3
        )
    if header.num_samples == 1:
        return values.reshape(shape)
    if header.is_planar:
        return np.ascontiguousarray(np.moveaxis(values.reshape(3, *shape), 0, -1))
    return values.reshape(*shape, 3)


def _take_stored(samples: np.ndarray, precision: int, header: DicomHeader) -> np.ndarray:
    """Take stored values out of a codec's samples, of `precision` bits from bit 0.

    A lossless codestream may carry whole words, with overlays above the stored bits. Values of a
    lossy one may pass them a little, and stay as they are.
    """
    is_lossless = header.transfer_syntax in LOSSLESS_SYNTAXES
    # Only JPEG 2000 knows of signs.
    is_signed = samples.dtype.kind == "i"
    if is_signed == header.is_signed and (not is_lossless or precision <= header.bits_stored):
        return samples
    high_bit = header.high_bit
    if not is_lossless or high_bit is None or high_bit >= precision:
        high_bit = None
    num_bits = min(header.bits_stored, precision)
    return _extract_bits(samples, num_bits, high_bit, header.is_signed)


def _extract_bits(
    values: np.ndarray, bits_stored: int, high_bit: int | None, is_signed: bool
) -> np.ndarray:
    """Take the stored bits out of their containers (DICOM PS3.5, 8.1.1)."""
    num_bits = 8 * values.itemsize
    shift = 0 if high_bit is None else high_bit + 1 - bits_stored
    if not 0 <= shift <= num_bits - bits_stored:
        raise ValueError(f"high bit {high_bit} for {bits_stored} bits in {num_bits}")
    unsigned = values.view(f"u{values.itemsize}")
    if not is_signed and shift == 0 and int(unsigned.max()) >> bits_stored == 0:
        return unsigned
    # To the top and back: clears what lies above and extends the sign.
    aligned = unsigned << (num_bits - bits_stored - shift)
    return aligned.view(f"{'i' if is_signed else 'u'}{values.itemsize}") >> (num_bits - bits_stored)
