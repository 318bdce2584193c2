"""Files in, grey arrays with true values out, without DALI.

A JPEG, PNG, TIFF or DICOM file enters; uint8 or uint16 [H, W] leaves, upright and never scaled.
Previews, predictor fitting and the replacement of unreadable samples call this; the loader's fast
path decodes in DALI and agrees with it.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np

MAX_PIXELS = 200_000_000
NUM_SNIFFED_BYTES = 132
ORIENTATION_TAG = 0x0112

_SHORT = 3


class UnreadableImageError(ValueError):
    """A file that is not an image we read, or is broken.

    Parameters
    ----------
    path : str
        The file, as it was given.
    reason : str
        What is wrong with it, in one line: the text that a manifest keeps.
    remedy : str
        What to do about it, one sentence.
    """

    def __init__(
        self, path: str | Path, reason: str, remedy: str = "Copy the file again or leave it out."
    ) -> None:
        self.path = str(path)
        self.remedy = remedy
        self.reason = " ".join(str(reason).split())
        super().__init__(f"{path} must be a readable image, got {self.reason}. {remedy}")


def sniff_format(head: bytes) -> str:
    """Name the format by the first bytes of a file, not by its extension.

    Parameters
    ----------
    head : bytes
        The first ``NUM_SNIFFED_BYTES`` (or all, if the file is shorter).

    Returns
    -------
    str
        "jpeg", "png", "tiff", "dicom", or "" for anything else.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[128:132] == b"DICM":
        return "dicom"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    return ""


def read_image(path: str | Path) -> np.ndarray:
    """Read one file as a grey image with its true values.

    Values are never scaled: 8-bit files give uint8, deeper ones uint16, exactly as stored. Colour
    becomes ITU-R BT.601 luma (DALI's ``types.GRAY`` within one level), palettes are expanded, alpha
    is dropped, an EXIF or TIFF orientation is applied (as DALI does by default), a TIFF whose zero
    is white is inverted, and of several pages the first is read. DICOM goes through
    :func:`gca_dali.dicom.read_dicom` with its default window.

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
            from gca_dali.dicom import read_dicom

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


def check_is_file(path: str | Path) -> None:
    """Refuse what is no regular file: a pipe or a device would block for ever.

    Parameters
    ----------
    path : str or pathlib.Path
        The path.

    Raises
    ------
    FileNotFoundError
        If there is no regular file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"path must be a file, got {path}. Check the name.")


def check_num_pixels(path: str | Path, height: int, width: int) -> None:
    """Refuse a claimed size before anything of that size is allocated.

    Parameters
    ----------
    path : str or pathlib.Path
        What the message names.
    height, width : int
        Claimed size, pixels.

    Raises
    ------
    UnreadableImageError
        If a side is not positive or there are more than 200 megapixels.
    """
    if height < 1 or width < 1:
        raise UnreadableImageError(path, f"an empty image of {height}x{width} pixels")
    if height * width > MAX_PIXELS:
        raise UnreadableImageError(
            path,
            f"a header that claims {height}x{width} pixels, over {MAX_PIXELS // 10**6} megapixels",
            "Downsize the image first, if the claim is true.",
        )


def read_exif_orientation(block: bytes) -> int:
    """Find the orientation in the first directory of an EXIF block (Exif 2.32, 4.5 and 4.6.4).

    Parameters
    ----------
    block : bytes
        Begins with the byte order, "II" or "MM".

    Returns
    -------
    int
        1…8; 1 where there is none or the block is broken, which says nothing about the pixels.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return 1
    try:
        (place,) = struct.unpack_from(f"{order}L", block, 4)
        (num_entries,) = struct.unpack_from(f"{order}H", block, place)
        for number in range(num_entries):
            entry = struct.unpack_from(f"{order}HHLH", block, place + 2 + 12 * number)
            if entry[:2] == (ORIENTATION_TAG, _SHORT):
                return entry[3] if 1 <= entry[3] <= 8 else 1
    except struct.error:
        pass
    return 1


def _decode_stream(stream: BinaryIO, name: str) -> np.ndarray:
    head = stream.read(NUM_SNIFFED_BYTES)
    stream.seek(0)
    kind = sniff_format(head)
    if kind not in ("jpeg", "png", "tiff"):
        what = "no bytes" if not head else f"a file that begins with {head[:8]!r}"
        if head[:2] in (b"\x08\x00", b"\x02\x00"):
            what = "what may be a DICOM dataset without its file header (preamble and 'DICM')"
        raise UnreadableImageError(name, what, "Bring JPEG, PNG, TIFF or DICOM.")
    from gca_dali.raster import decode_raster

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
