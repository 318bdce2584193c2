"""One compressed frame in, its samples out: which decoder, and what its samples mean.

The codestream decides, not the transfer syntax, which may name another of the same family. Next is
`dicom.pixels`, which takes the stored bits out of the samples.
"""

from __future__ import annotations

from collections.abc import Callable

import imagecodecs
import numpy as np

from gca_dali.image.dicom import jpeg_parts as parts
from gca_dali.image.dicom.codestream import J2K_START, JPEG_START, read_jpeg_headers
from gca_dali.image.dicom.header import DicomHeader
from gca_dali.image.dicom.jpeg import decode_jpeg

_END_MARKER = bytes((0xFF, parts.END))
_CODING_STYLE = 0x52


def decode_codestream(
    data: bytes, header: DicomHeader, allocate: Callable[..., np.ndarray] = np.empty
) -> tuple[np.ndarray, str]:
    """Decode a JPEG, JPEG-LS, JPEG 2000 or HTJ2K frame.

    Parameters
    ----------
    data : bytes
        One frame that `check_codestream` has passed. The end marker may be missing.
    header : DicomHeader
    allocate : callable
        Gives memory for the samples of a JPEG: shape and dtype → numpy.ndarray.

    Returns
    -------
    samples : numpy.ndarray, uint8, uint16, int8 or int16, [H, W] or [H, W, 3]
    photometric : str
        What three samples are: "RGB", "YBR_FULL", or what the header says.

    Raises
    ------
    Exception
        Whatever a decoder raises where the data end early or are broken.
    """
    photometric = header.photometric
    if data.startswith(JPEG_START):
        if read_jpeg_headers(data)[0].kind != parts.JPEG_LS:
            return decode_jpeg(data, photometric, allocate)
        return imagecodecs.jpegls_decode(_end_properly(data)), photometric
    data = data[data.index(J2K_START) :]
    # OpenJPEG for HTJ2K too: OpenJPH fills what is missing.
    samples = imagecodecs.jpeg2k_decode(_end_properly(data))
    for segment in parts.walk_segments(data, len(J2K_START) - 2):
        if segment.marker == _CODING_STYLE:
            # A component transform (ITU-T T.800, A.6.1) was of RGB, and has been undone.
            if segment.content[4] or photometric in ("YBR_RCT", "YBR_ICT"):
                photometric = "RGB"
            break
    return samples, photometric


def _end_properly(data: bytes) -> bytes:
    """Add the end marker where there is none: these decoders tell a short frame by themselves."""
    # The data of neither coding can hold these two bytes; what lies behind them is padding, as are
    # zeros where they are missing.
    return data if _END_MARKER in data else data.rstrip(b"\0") + _END_MARKER
