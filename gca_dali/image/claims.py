"""What a file claims, before any of it is decoded: format, size, orientation, or a refusal.

Enters: the first bytes of a file, or numbers out of its header. Leaves: a format's name, or
`UnreadableImageError`, the one refusal of this room. Next: `headers` and `read`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

MAX_PIXELS = 200_000_000
NUM_SNIFFED_BYTES = 132
ORIENTATION_TAG = 0x0112

# JPEG, PNG and TIFF of kinds that DALI misreads; `read.decode_image` reads them right.
RARE = "-rare"
RARE_FORMATS = ("jpeg-rare", "png-rare", "tiff-rare")

_SHORT = 3
_FORMS = {1: "B", _SHORT: "H", 4: "L"}


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

    It should be a SHORT; a LONG or BYTE is understood too, as some cameras and tools write it.

    Parameters
    ----------
    block : bytes
        Begins with the byte order, "II" or "MM".

    Returns
    -------
    int
        1…8; 1 where there is none or the block is broken, which says nothing about the pixels.
    """
    for kind, _, value in _read_orientations(block):
        if kind in _FORMS:
            return value if 1 <= value <= 8 else 1
    return 1


def is_plain_exif(block: bytes) -> bool:
    """Tell whether every decoder reads the same orientation in a block.

    Of others, decoders turn what they should not, do not turn what they should, and DALI's overrun
    memory: one directory that lies in the block, with at most one orientation, a SHORT.

    Parameters
    ----------
    block : bytes
        As for `read_exif_orientation`.
    """
    try:
        found = [entry[:2] for entry in _read_entries(block)]
    except struct.error:
        return False
    return found in ([], [(_SHORT, 1)])


def _read_orientations(block: bytes) -> Iterator[tuple[int, int, int]]:
    try:
        yield from _read_entries(block)
    except struct.error:
        return


def _read_entries(block: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield type, count and first value of each orientation; struct.error where a block ends."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        raise struct.error("no byte order")
    (place,) = struct.unpack_from(f"{order}L", block, 4)
    (num_entries,) = struct.unpack_from(f"{order}H", block, place)
    for start in range(place + 2, place + 2 + 12 * num_entries, 12):
        tag, kind, count = struct.unpack_from(f"{order}HHL", block, start)
        (value,) = struct.unpack_from(f"{order}{_FORMS.get(kind, 'L')}", block, start + 8)
        struct.unpack_from("4x", block, start + 8)
        if tag == ORIENTATION_TAG:
            yield kind, count, value
