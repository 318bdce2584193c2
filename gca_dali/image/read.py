"""Files in, grey arrays with true values out, without DALI.

A JPEG, PNG, TIFF or DICOM file enters; uint8 or uint16 [H, W] leaves, upright and never scaled.
Previews, predictor fitting and the replacement of unreadable samples call this; the loader's fast
path decodes in DALI and agrees with it.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gca_dali.image.claims import (
    NUM_SNIFFED_BYTES,
    UnreadableImageError,
    check_is_file,
    sniff_format,
)

if TYPE_CHECKING:
    import numpy as np


def read_image(path: str | Path) -> np.ndarray:
    """Read one file as a grey image with its true values.

    Values are never scaled: 8-bit files give uint8, deeper ones uint16, exactly as stored. Colour
    becomes ITU-R BT.601 luma (DALI's ``types.GRAY`` within one level), palettes are expanded, alpha
    is dropped, an EXIF or TIFF orientation is applied (as DALI does by default), a TIFF whose zero
    is white is inverted, and of several pages the first is read. DICOM goes through
    :func:`gca_dali.image.dicom.read_dicom` with its default window.

    Parameters
    ----------
    path : str or pathlib.Path
        The file. Its content decides the format; the extension is ignored.

    Returns
    -------
    numpy.ndarray, uint8 or uint16, [H, W]

    Raises
    ------
    FileNotFoundError
        If there is no such regular file.
    UnreadableImageError
        If the file is no image we read, is cut short or claims more than 200 megapixels
        (refused from the header, before any pixel is allocated).

    Examples
    --------
    >>> read_image("chest.png").shape  # doctest: +SKIP
    (2048, 2500)
    """
    check_is_file(path)
    with open(path, "rb") as stream:
        if sniff_format(stream.read(NUM_SNIFFED_BYTES)) == "dicom":
            from gca_dali.image.dicom import read_dicom

            return read_dicom(path)[0]
        stream.seek(0)
        return _decode_stream(stream, str(path))


def decode_image(data: bytes, name: str = "data") -> np.ndarray:
    """Decode the bytes of a JPEG, PNG or TIFF file, as :func:`read_image` does.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        What error messages call it.

    Returns
    -------
    numpy.ndarray, uint8 or uint16, [H, W]

    Raises
    ------
    UnreadableImageError
        As :func:`read_image`; also for the bytes of a DICOM file.
    """
    return _decode_stream(io.BytesIO(data), name)


def _decode_stream(stream: BinaryIO, name: str) -> np.ndarray:
    head = stream.read(NUM_SNIFFED_BYTES)
    stream.seek(0)
    kind = sniff_format(head)
    if kind not in ("jpeg", "png", "tiff"):
        what = "no bytes" if not head else f"a file that begins with {head[:8]!r}"
        if head[:2] in (b"\x08\x00", b"\x02\x00"):
            what = "what may be a DICOM dataset without its file header (preamble and 'DICM')"
        raise UnreadableImageError(name, what, "Bring JPEG, PNG, TIFF or DICOM.")
    from gca_dali.image.raster import decode_raster

    try:
        return decode_raster(stream, kind, name)
    except UnreadableImageError:
        raise
    except MemoryError as error:
        raise UnreadableImageError(name, "more pixels than memory holds") from error
    # Decoders raise anything on broken bytes: SyntaxError, struct.error, KeyError, zlib.error.
    except Exception as error:
        reason = f"broken {kind.upper()} data ({type(error).__name__}: {error})"
        raise UnreadableImageError(name, reason[:300]) from error
