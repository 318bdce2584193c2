"""The header of a TIFF: upright size, bits, and whether DALI reads this kind of TIFF right.

An open file enters; its size, bits and format leave, or a `ValueError` with the reason. Called by
`gca_dali.image.headers`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from gca_dali.image.claims import ORIENTATION_TAG

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

# What tifffile logs about a damaged file is told by the reason; without a handler it would reach
# the terminal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

MAX_SAMPLES = 4
MAX_PAGES = 256

_SHORT = 3
_COLOUR = ("RGB", "YCBCR")
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


def read_tiff_header(file: BinaryIO, num_bytes: int) -> tuple[int, int, bool, int]:
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
    is_rare : bool
        Whether DALI misreads it and the slower way has to be taken: planes apart, zero is white,
        samples beside grey or colour, a thumbnail before the image, or a rare compression.
    bits : int
        8 or 16.

    Raises
    ------
    ValueError
        If it is damaged or of a kind that is not read; the text is the reason.
    """
    import tifffile

    try:
        with tifffile.TiffFile(file) as tiff:
            num_pages = len(list(islice(tiff.pages, MAX_PAGES + 1)))
            pages = list(find_full_pages(tiff))
            if len(pages) == 1 and num_pages <= MAX_PAGES:
                return _check_page(pages[0], num_bytes)
    except _UnsuitableError as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # tags of another type than they should be make it raise anything
        cause = error if isinstance(error, OSError) else None  # a disk's, perhaps
        raise ValueError(f"TIFF with a damaged header ({error})") from cause
    if not num_pages:
        raise ValueError("truncated: a TIFF without a page")
    if num_pages > MAX_PAGES:
        raise ValueError(f"TIFF with over {MAX_PAGES} pages; save each as a file")
    if not pages:
        raise ValueError("TIFF of thumbnails, its image in a SubIFD; save the image alone")
    raise ValueError(f"TIFF with {len(pages)} pages; save each as a file")


def find_full_pages(tiff: TiffFile) -> Iterator[TiffPage]:
    """Yield the pages that are no smaller copies of another (TIFF 6.0, NewSubfileType).

    No more than `MAX_PAGES` are looked at: in a damaged file they may go round in a circle.
    """
    pages = (page.aspage() for page in islice(tiff.pages, MAX_PAGES))
    return (page for page in pages if not page.is_reduced)


def read_orientation(page: TiffPage) -> tuple[int, bool]:
    """Return the orientation, 1…8, and whether it is written as it should be, or not at all.

    A LONG or BYTE is understood too; whatever is no orientation is 1.
    """
    tag = page.tags.get(ORIENTATION_TAG)
    if tag is None:
        return 1, True
    value = tag.value[0] if isinstance(tag.value, (bytes, tuple)) else tag.value
    is_short = (int(tag.dtype), int(tag.count)) == (_SHORT, 1)
    return (value, is_short) if value in range(1, 9) else (1, False)


def has_more_samples(page: TiffPage) -> bool:
    """Tell whether a page has samples beside those of grey or colour, such as alpha."""
    kind = getattr(page.photometric, "name", page.photometric)
    return int(page.samplesperpixel) > (3 if kind in _COLOUR else 1)


def _check_page(page: TiffPage, num_bytes: int) -> tuple[int, int, bool, int]:
    bits = int(page.bitspersample)
    if page.dtype is None or page.dtype.name not in ("uint8", "uint16") or bits not in (8, 16):
        raise _UnsuitableError(f"{bits}-bit {page.dtype} TIFF; save it as uint8 or uint16")
    kind = getattr(page.photometric, "name", page.photometric)
    if kind not in ("MINISBLACK", "MINISWHITE", *_COLOUR):
        raise _UnsuitableError(f"TIFF of kind {kind}; save it as grey")
    if page.samplesperpixel > MAX_SAMPLES:
        raise _UnsuitableError(f"TIFF of {page.samplesperpixel} samples a pixel; save it as grey")
    coding = int(page.compression)
    if coding not in (*_PLAIN, _JPEG, *_RARE):
        name = getattr(page.compression, "name", coding)
        raise _UnsuitableError(f"TIFF compressed with {name}; save it with LZW or deflate")
    ends = [start + n for start, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if not ends or max(ends) > num_bytes:
        raise _UnsuitableError("truncated: a TIFF whose pixels lie past the end of the file")
    height, width = int(page.imagelength), int(page.imagewidth)
    orientation, is_short = read_orientation(page)
    # DALI 2.4 takes the first page and the first plane for the image, multiplies alpha in, and
    # inverts MinIsWhite at 8 bits alone.
    is_plain = coding in _PLAIN or (coding == _JPEG and bits == 8)
    is_apart = page.samplesperpixel > 1 and int(page.planarconfig) != 1
    is_rare = not is_plain or is_apart or not is_short or kind == "MINISWHITE"
    is_rare |= page.index > 0 or has_more_samples(page)
    return (*upright_size(height, width, orientation), is_rare, bits)
