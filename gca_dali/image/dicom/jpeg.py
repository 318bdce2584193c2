"""A JPEG frame of any kind that DICOM allows in, samples as coded out.

Lossless frames are decoded here (ITU-T T.81, annex H). Baseline and extended ones are walked to
their end first, then decoded by libjpeg-turbo, which would fill what is missing with grey. Next is
`dicom.pixels`, which knows what the samples mean.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

import imagecodecs
import numpy as np

from gca_dali.image.dicom import jpeg_parts as parts
from gca_dali.image.dicom.entropy import count_blocks, decode_lossless
from gca_dali.image.dicom.huffman import Table, make_differences, make_steps, read_tables
from gca_dali.image.dicom.jpeg_parts import JpegFrame, JpegScan
from gca_dali_kernels.cpu.parallel import thread_pool


class JpegError(ValueError):
    """A JPEG that is broken or ends early; the text is the reason."""


def decode_jpeg(
    data: bytes, claimed: str, allocate: Callable[..., np.ndarray] = np.empty
) -> tuple[np.ndarray, str]:
    """Decode a baseline, extended, progressive or lossless JPEG of one or three components.

    Parameters
    ----------
    data : bytes
        One frame, whose header was checked by `dicom.codestream`. The end marker may be missing.
    claimed : str
        Photometric interpretation of the DICOM header.
    allocate : callable
        Gives memory for the samples: shape and dtype → numpy.ndarray.

    Returns
    -------
    samples : numpy.ndarray, uint8 or uint16, [H, W] or [H, W, 3]
        Without any change of colours.
    photometric : str
        What they are: `claimed`, or what the JPEG itself says of three components.

    Raises
    ------
    JpegError
        If the data end early or are broken.
    """
    try:
        # Where the end marker is missing a zero is the padding of a fragment, not data.
        return _decode(data.rstrip(b"\0"), claimed, allocate)
    except (struct.error, IndexError, KeyError) as error:
        raise JpegError("a JPEG that ends early or lacks a table") from error


def _decode(
    data: bytes, claimed: str, allocate: Callable[..., np.ndarray]
) -> tuple[np.ndarray, str]:
    segments = []
    for segment in parts.walk_segments(data, 2):
        segments.append(segment)
        if segment.marker == parts.SCAN:
            break
    frames = [parts.read_frame(part) for part in segments if part.marker in parts.FRAMES]
    if len(frames) != 1:
        raise JpegError(f"a JPEG of {len(frames)} frames")
    frame = frames[0]
    shape, dtype = (frame.height, frame.width), np.uint8 if frame.precision <= 8 else np.uint16
    if frame.kind == parts.LOSSLESS:
        samples = allocate((*shape, len(frame.components)), dtype)
        _decode_lossless(data, frame, samples)
        return samples[..., 0] if len(frame.components) == 1 else samples, claimed
    checking = None
    if frame.kind == parts.PROGRESSIVE:
        if not data.endswith(b"\xff\xd9"):
            raise JpegError("a progressive JPEG without its end marker")
    else:
        # Beside the decoder, of whose time it takes a quarter, where a core is free.
        checking = thread_pool(1, os.getpid()).submit(_check_end, data, frame)
    if len(frame.components) == 1:
        samples = imagecodecs.jpeg8_decode(data, out=allocate(shape, dtype))
    else:
        # The same space on both sides: nothing is converted.
        samples = imagecodecs.jpeg8_decode(data, colorspace="YCBCR", outcolorspace="YCBCR")
        claimed = parts.find_colours(segments, frame, claimed)
    if checking is not None:
        checking.result()
    return samples, claimed


class _Tables:
    """Huffman tables and restart interval, as the segments before a scan set them."""

    def __init__(self) -> None:
        self.named: dict[int, Table] = {}
        self.restart_interval = 0

    def take(self, segment: parts.Segment) -> None:
        if segment.marker == parts.TABLES:
            self.named.update(read_tables(segment.content))
        elif segment.marker == parts.RESTART:
            (self.restart_interval,) = struct.unpack(">H", segment.content)


def _each_scan(
    data: bytes, frame: JpegFrame, walk: Callable[[JpegScan, list[int], _Tables], int]
) -> None:
    """Call `walk`, which returns where a scan ends, until each component has had its scan."""
    tables = _Tables()
    numbers = [component.number for component in frame.components]
    missing, place = set(numbers), 2
    while missing:
        for segment in parts.walk_segments(data, place):
            tables.take(segment)
            if segment.marker == parts.SCAN:
                break
        else:
            raise JpegError("a JPEG that ends before its last scan")
        scan = parts.read_scan(segment)
        if not scan.numbers or not missing.issuperset(scan.numbers):
            raise JpegError("a JPEG whose scans are not those of its frame")
        place = walk(scan, [numbers.index(number) for number in scan.numbers], tables)
        if place < 0:
            raise JpegError("a JPEG that ends early or is broken")
        missing.difference_update(scan.numbers)
        if missing:
            place = parts.find_marker(data, place)


def _decode_lossless(data: bytes, frame: JpegFrame, samples: np.ndarray) -> None:
    num_components = len(frame.components)
    if num_components > 1 and any(part[1:] != (1, 1) for part in frame.components):
        raise JpegError("a lossless JPEG of subsampled components")
    content = np.frombuffer(data, np.uint8)

    def walk(scan: JpegScan, which: list[int], tables: _Tables) -> int:
        interval, beyond = divmod(tables.restart_interval, frame.width)
        precision = frame.precision - scan.low
        if beyond or not 1 <= scan.first <= 7 or precision < 1:
            raise JpegError("a lossless JPEG with restarts inside a row or an unknown predictor")
        arrays = [make_differences(tables.named[first]) for first, _ in scan.tables]
        full, fast = (np.stack(part) for part in zip(*arrays, strict=True))
        is_all = len(which) == num_components
        target = samples if is_all else np.empty((*samples.shape[:2], len(which)), samples.dtype)
        end = decode_lossless(
            content, scan.start, full, fast, scan.first, precision, interval, target
        )
        if scan.low:
            target <<= scan.low
        if not is_all:
            samples[..., which] = target
        return end

    _each_scan(data, frame, walk)


def _check_end(data: bytes, frame: JpegFrame) -> None:
    """Walk a sequential JPEG to its end: JpegError where it comes early."""
    content = np.frombuffer(data, np.uint8)
    if not all(1 <= factor <= 4 for part in frame.components for factor in part[1:]):
        raise JpegError("a JPEG of impossible sampling")
    widest = max(part.horizontal for part in frame.components)
    highest = max(part.vertical for part in frame.components)

    def walk(scan: JpegScan, which: list[int], tables: _Tables) -> int:
        steps = []
        for first, other in scan.tables:
            steps.append(make_steps(tables.named[first], tables.named[16 | other]))
        full, fast = (np.concatenate(arrays) for arrays in zip(*steps, strict=True))
        blocks = []
        for position, number in enumerate(which):
            part = frame.components[number]
            num_blocks = part.horizontal * part.vertical if len(which) > 1 else 1
            blocks += [(2 * position, 2 * position + 1)] * num_blocks
        if len(which) == 1:  # its own blocks, without those that only fill up a unit
            part = frame.components[which[0]]
            height = -(-frame.height * part.vertical // highest)
            width = -(-frame.width * part.horizontal // widest)
            num_units = -(-height // 8) * -(-width // 8)
        else:
            num_units = -(-frame.height // (8 * highest)) * -(-frame.width // (8 * widest))
        return count_blocks(
            content,
            scan.start,
            full,
            fast,
            np.array(blocks, np.int64),
            num_units,
            tables.restart_interval,
        )

    _each_scan(data, frame, walk)
