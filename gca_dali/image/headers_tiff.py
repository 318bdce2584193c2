"""The header of a TIFF: upright size, bits, and whether DALI reads this kind of TIFF right.

An open file enters; its size, bits and format leave, or a `ValueError` with the reason. Called by
`gca_dali.image.headers`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from tifffile import TiffPage

# What tifffile logs about a damaged file is told by the reason; without a handler it would reach
# the terminal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

RARE_TIFF = "tiff-rare"

_ORIENTATION_TAG = 274
# None, LZW, deflate (two numbers) and PackBits; JPEG for 8 bits.
_PLAIN = {1, 5, 8, 32946, 32773}
_JPEG = 7
# DALI 2.4 gives black or garbage, or refuses; tifffile reads them: LZMA, Zstandard, JPEG 2000.
_RARE = {34925, 50000, 34712, 33003, 33004, 33005}


class _UnsuitableError(Exception):
    """A sound TIFF that nothing here reads."""


def upright_size(height: int, width: int, orientation: int) -> tuple[int, int]:
    """Give height and width after an EXIF or TIFF orientation is applied.

    Parameters
    ----------
    height, width : int
        Pixels as stored.
    orientation : int
        5 to 8 lie on their side (TIFF 6.0, section 8).

    Returns
    -------
    tuple of int
    """
    return (width, height) if 5 <= orientation <= 8 else (height, width)


def read_tiff_header(file: BinaryIO, num_bytes: int) -> tuple[int, int, int, str]:
    """Read the header of an open TIFF.

    Parameters
    ----------
    file : BinaryIO
        Seekable.
    num_bytes : int
        Its size.

    Returns
    -------
    height, width : int
        Of the upright image, pixels.
    bits : int
        8 or 16.
    kind : str
        "tiff", or "tiff-rare" where DALI misreads it and the slower way has to be taken: planes
        apart, zero is white, or a rare compression.

    Raises
    ------
    ValueError
        If it is damaged or of a kind that is not read; the text is the reason.
    """
    import tifffile

    try:
        with tifffile.TiffFile(file) as tiff:
            pages = [page.aspage() for page in tiff.pages]
        pages = [page for page in pages if not page.is_reduced]
        if len(pages) == 1:
            return _check_page(pages[0], num_bytes)
    except _UnsuitableError as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # tags of another type than they should be make it raise anything
        cause = error if isinstance(error, OSError) else None  # a disk's, perhaps
        raise ValueError(f"TIFF with a damaged header ({error})") from cause
    if not pages:
        raise ValueError("truncated: a TIFF without a page")
    raise ValueError(f"TIFF with {len(pages)} pages; save each as a file")


def _check_page(page: TiffPage, num_bytes: int) -> tuple[int, int, int, str]:
    bits = int(page.bitspersample)
    if page.dtype is None or page.dtype.name not in ("uint8", "uint16") or bits not in (8, 16):
        raise _UnsuitableError(f"{bits}-bit {page.dtype} TIFF; save it as uint8 or uint16")
    kind = getattr(page.photometric, "name", page.photometric)
    if kind not in ("MINISBLACK", "MINISWHITE", "RGB", "YCBCR"):
        raise _UnsuitableError(f"TIFF of kind {kind}; save it as grey")
    coding = int(page.compression)
    if coding not in (*_PLAIN, _JPEG, *_RARE):
        name = getattr(page.compression, "name", coding)
        raise _UnsuitableError(f"TIFF compressed with {name}; save it with LZW or deflate")
    ends = [start + n for start, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if not ends or max(ends) > num_bytes:
        raise _UnsuitableError("truncated: a TIFF whose pixels lie past the end of the file")
    tag = page.tags.get(_ORIENTATION_TAG)
    height, width = int(page.imagelength), int(page.imagewidth)
    # DALI 2.4 takes the first plane for the image, and inverts MinIsWhite at 8 bits alone.
    is_plain = coding in _PLAIN or (coding == _JPEG and bits == 8)
    is_apart = page.samplesperpixel > 1 and int(page.planarconfig) != 1
    is_rare = not is_plain or is_apart or kind == "MINISWHITE"
    upright = upright_size(height, width, int(tag.value) if tag else 1)
    return (*upright, bits, RARE_TIFF if is_rare else "tiff")
