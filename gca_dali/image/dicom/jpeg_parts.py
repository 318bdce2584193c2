"""The segments of a JPEG or JPEG-LS codestream in, what they say out, before anything is decoded.

`dicom.codestream` takes the size from here, `dicom.jpeg` the tables and scans.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

BASELINE, EXTENDED, PROGRESSIVE, LOSSLESS, JPEG_LS = 0xC0, 0xC1, 0xC2, 0xC3, 0xF7
TABLES, SCAN, RESTART, END = 0xC4, 0xDA, 0xDD, 0xD9
# Start-of-frame markers: C0…CF without DHT, JPG and DAC (ITU-T T.81, B.1.1.3); F7 is JPEG-LS.
FRAMES = frozenset({*range(0xC0, 0xD0), JPEG_LS} - {TABLES, 0xC8, 0xCC})
_STANDALONE = frozenset({0x01, *range(0xD0, END)})
_ADOBE, _JFIF = 0xEE, 0xE0


class Segment(NamedTuple):
    """One marker segment: its code, its content, and where what follows it begins."""

    marker: int
    content: bytes
    end: int


class Component(NamedTuple):
    """One component of a frame: its number and its sampling factors."""

    number: int
    horizontal: int
    vertical: int


class JpegFrame(NamedTuple):
    """What a frame header says (ITU-T T.81, B.2.2): kind is the second byte of its marker."""

    kind: int
    precision: int
    height: int
    width: int
    components: tuple[Component, ...]


class JpegScan(NamedTuple):
    """What a scan header says (ITU-T T.81, B.2.3), and where its data begin.

    `tables` are the destinations of each component's two tables; `first` is the predictor of a
    lossless scan, `low` its point transform.
    """

    numbers: tuple[int, ...]
    tables: tuple[tuple[int, int], ...]
    first: int
    last: int
    low: int
    start: int


def walk_segments(data: bytes, place: int) -> Iterator[Segment]:
    """Walk marker segments until the end marker, or for ever where the caller never stops.

    Parameters
    ----------
    data : bytes
        A codestream.
    place : int
        Of the first marker, 2 at the start; the caller stops at a scan, whose data are no segments.

    Yields
    ------
    Segment

    Raises
    ------
    IndexError, struct.error
        If the data end or there is no marker.
    """
    while data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in _STANDALONE:
            place += 2
        elif marker == END:
            return
        else:
            (length,) = struct.unpack_from(">H", data, place + 2)
            place, start = place + 2 + length, place + 4
            yield Segment(marker, data[start:place], place)
    raise IndexError("no marker where one must be")


def find_marker(data: bytes, place: int) -> int:
    """Return where the next marker is that is no restart; the length of the data without one."""
    while (place := data.find(b"\xff", place)) >= 0 and place + 1 < len(data):
        if data[place + 1] not in (0, 0xFF, *range(0xD0, 0xD8)):
            return place
        place += 1
    return len(data)


def read_frame(segment: Segment) -> JpegFrame:
    """Read a frame header; struct.error where it is too short."""
    precision, height, width, num_components = struct.unpack_from(">BHHB", segment.content)
    components = []
    for number in range(num_components):
        name, sampling, _ = struct.unpack_from("3B", segment.content, 6 + 3 * number)
        components.append(Component(name, sampling >> 4, sampling & 15))
    return JpegFrame(segment.marker, precision, height, width, tuple(components))


def read_scan(segment: Segment) -> JpegScan:
    """Read a scan header; struct.error or IndexError where it is too short."""
    count = segment.content[0]
    pairs = struct.unpack_from(f"{2 * count}B", segment.content, 1)
    first, last, low = struct.unpack_from("3B", segment.content, 1 + 2 * count)
    tables = tuple((table >> 4, table & 15) for table in pairs[1::2])
    return JpegScan(pairs[::2], tables, first, last, low & 15, segment.end)


def find_colours(segments: list[Segment], frame: JpegFrame, claimed: str) -> str:
    """Say what three components are, which headers of DICOM often get wrong.

    Parameters
    ----------
    segments : list of Segment
        Those before the first scan.
    frame : JpegFrame
        Of a sequential or progressive JPEG.
    claimed : str
        Photometric interpretation of the DICOM header.

    Returns
    -------
    str
        "RGB" or "YBR_FULL": Adobe's marker decides, then JFIF's, the components' names, their
        sampling; and what is claimed only where none of them tells.
    """
    for segment in segments:
        if segment.marker == _ADOBE and segment.content[:5] == b"Adobe" and len(segment[1]) >= 12:
            return "YBR_FULL" if segment.content[11] else "RGB"
    if any(part.marker == _JFIF and part.content[:5] == b"JFIF\0" for part in segments):
        return "YBR_FULL"
    if bytes(component.number for component in frame.components) == b"RGB":
        return "RGB"
    if len({component[1:] for component in frame.components}) > 1 or claimed.startswith("YBR"):
        return "YBR_FULL"
    return "RGB" if claimed == "RGB" else "YBR_FULL"
