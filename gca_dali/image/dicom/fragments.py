"""Compressed pixel data in, the fragments of each frame out.

The table of offsets at their head is often missing, a single zero, or of every fragment. What the
fragments themselves say comes first. Next is `dicom.pixels`, which reads and decodes a frame.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, NamedTuple

from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom.codestream import J2K_START, JPEG_START

_ITEM = (0xFFFE, 0xE000)
_DELIMITER = (0xFFFE, 0xE0DD)
_UNDEFINED = 0xFFFFFFFF
_HEAD_BYTES = 8  # tag and length of an item


class Fragment(NamedTuple):
    """Where the bytes of a fragment lie in the file."""

    start: int
    num_bytes: int


def find_frames(
    stream: BinaryIO, num_left: int, num_frames: int, name: str
) -> tuple[tuple[Fragment, ...], ...]:
    """Walk the fragments of compressed pixels and give each frame its own.

    Parameters
    ----------
    stream : BinaryIO
        At the first item, the table of offsets.
    num_left : int
        Bytes from there to the end of the file.
    num_frames : int
        As the header says.
    name : str
        What messages call the file.

    Returns
    -------
    tuple of tuple of Fragment
        One for each frame.

    Raises
    ------
    UnreadableImageError
        If a fragment is broken or cut short, or they cannot be told apart by frames.
    """
    table, *fragments = _walk_fragments(stream, num_left, name) or [Fragment(0, 0)]
    if num_frames == 1 and fragments:
        return (tuple(fragments),)
    if len(fragments) == num_frames:
        return tuple((fragment,) for fragment in fragments)
    starts = _find_starts(stream, table, fragments)
    for firsts in starts:
        if len(firsts) == num_frames and firsts[0] == 0:
            ends = [*firsts[1:], len(fragments)]
            return tuple(
                tuple(fragments[first:end]) for first, end in zip(firsts, ends, strict=True)
            )
    found = f"{num_frames} frames in {len(fragments)} fragments of pixel data"
    raise UnreadableImageError(name, found)


def read_fragments(stream: BinaryIO, fragments: tuple[Fragment, ...], limit: int = -1) -> bytes:
    """Read the bytes of a frame, at most about `limit` of them."""
    read, num_bytes = [], 0
    for fragment in fragments:
        if 0 <= limit <= num_bytes:
            break
        stream.seek(fragment.start)
        size = fragment.num_bytes if limit < 0 else min(fragment.num_bytes, limit - num_bytes)
        read.append(stream.read(size))
        num_bytes += size
    return read[0] if len(read) == 1 else b"".join(read)


def _walk_fragments(stream: BinaryIO, num_left: int, name: str) -> list[Fragment]:
    """List all items: decoders fill what is missing with grey."""
    items, place = [], stream.tell()
    while num_left >= _HEAD_BYTES:
        group, element, length = struct.unpack("<HHL", stream.read(_HEAD_BYTES))
        num_left, place = num_left - _HEAD_BYTES, place + _HEAD_BYTES
        if (group, element) == _DELIMITER:
            break
        if (group, element) != _ITEM or length == _UNDEFINED:
            raise UnreadableImageError(name, "compressed pixel data with a broken fragment")
        if length > num_left:
            raise UnreadableImageError(
                name, f"compressed pixel data cut short by {length - num_left} bytes"
            )
        items.append(Fragment(place, length))
        num_left, place = num_left - length, place + length
        stream.seek(length, io.SEEK_CUR)
    return items


def _find_starts(
    stream: BinaryIO, table: Fragment, fragments: list[Fragment]
) -> tuple[list[int], list[int]]:
    """Find the fragments at which frames begin: by the table, and by their first bytes."""
    numbers = {fragment.start - _HEAD_BYTES: number for number, fragment in enumerate(fragments)}
    origin = table.start + table.num_bytes
    offsets = struct.unpack(
        f"<{table.num_bytes // 4}L", read_fragments(stream, (table,), table.num_bytes // 4 * 4)
    )
    by_table = [numbers.get(origin + offset, -1) for offset in offsets]
    if -1 in by_table or by_table != sorted(set(by_table)):
        by_table = []
    by_bytes = []
    for number, fragment in enumerate(fragments):
        head = read_fragments(stream, (fragment,), len(J2K_START))
        if head.startswith((J2K_START, JPEG_START)):
            by_bytes.append(number)
    return by_table, by_bytes
