"""An open DICOM file in, one frame of stored values out.

The frame is decoded as coded: no lookup table, no window, no inversion. Next is
`gca_dali.image.dicom.intensity`, which turns stored values into grey levels.
"""

from __future__ import annotations

import numpy as np
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom.codestream import read_frame_shape
from gca_dali.image.dicom.file import OpenDicom


def decode_frame(file: OpenDicom, frame: int) -> tuple[np.ndarray, str]:
    """Decode one frame.

    Parameters
    ----------
    file : OpenDicom
        An open file.
    frame : int
        Which frame, from 0.

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
    syntax = UID(header.transfer_syntax)
    options = as_pixel_options(file.dataset)
    options.update(transfer_syntax_uid=syntax, pixel_keyword="PixelData", pixel_vr=file.pixel_vr)
    # Values of these codecs begin at bit 0 and, being lossy, may pass Bits Stored a little.
    is_codec = syntax.is_encapsulated and syntax != RLELossless
    plugin = ""
    if is_codec:
        precision = _check_codestream(file, frame)
        # libjpeg-turbo is fast and withstands broken data; it has no 12 bits and no lossless.
        plugin = "pillow" if syntax == JPEGBaseline8Bit else "pylibjpeg"
        if precision <= 8 and syntax not in (*JPEG2000TransferSyntaxes, *JPEGLSTransferSyntaxes):
            options["bits_allocated"] = 8
    if syntax not in JPEG2000TransferSyntaxes:
        options.update(correct_unused_bits=False, apply_jls_sign_correction=False)
    file.stream.seek(file.pixel_offset)
    values, properties = get_decoder(syntax).as_array(
        file.stream, index=frame, raw=True, decoding_plugin=plugin, **options
    )
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if not is_codec:
        high_bit = file.dataset.get("HighBit")
        values = _extract_bits(values, header.bits_stored, high_bit, header.is_signed)
    elif header.is_signed and syntax not in JPEG2000TransferSyntaxes:
        values = _extract_bits(values, min(header.bits_stored, 8 * values.itemsize), None, True)
    return values, str(properties["photometric_interpretation"])


def _check_codestream(file: OpenDicom, frame: int) -> int:
    """Compare the size in the codestream with the header's; give the bits per sample."""
    header = file.header
    file.stream.seek(file.pixel_offset)
    data = get_frame(file.stream, frame, number_of_frames=header.num_frames)
    shape = read_frame_shape(data)
    claimed = (header.height, header.width, header.num_samples)
    if shape is None or shape[:3] != claimed or shape.precision > 16:
        raise UnreadableImageError(
            file.path,
            "a header of {}x{} pixels of {} samples but a codestream of ".format(*claimed)
            + ("no image" if shape is None else "{}x{} of {} with {} bits".format(*shape)),
        )
    return shape.precision


def _extract_bits(
    values: np.ndarray, bits_stored: int, high_bit: int | None, is_signed: bool
) -> np.ndarray:
    """Take the stored bits out of their containers (DICOM PS3.5, 8.1.1)."""
    num_bits = 8 * values.itemsize
    unsigned = values.view(f"u{values.itemsize}")
    shift = 0 if high_bit is None else high_bit + 1 - bits_stored
    if not 0 <= shift <= num_bits - bits_stored:
        raise ValueError(f"high bit {high_bit} for {bits_stored} bits in {num_bits}")
    # To the top and back: clears what lies above and extends the sign.
    aligned = unsigned << (num_bits - bits_stored - shift)
    return aligned.view(f"{'i' if is_signed else 'u'}{values.itemsize}") >> (num_bits - bits_stored)
