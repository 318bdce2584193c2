"""A frame of run lengths in, its values out (DICOM PS3.5, annex G).

Each byte of a sample is a segment of its own. `dicom.pixels` calls this.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import imagecodecs
import numpy as np

from gca_dali.image.dicom.header import DicomHeader
from gca_dali_kernels.cpu.compiled import borrowing

_MAX_RUN = 128


def decode_runs(
    data: bytes, header: DicomHeader, allocate: Callable[..., np.ndarray] = np.empty
) -> np.ndarray:
    """Decode one frame.

    Parameters
    ----------
    data : bytes
        The frame, which `check_runs` has passed.
    header : DicomHeader
    allocate : callable
        Gives memory for values of two bytes: shape and dtype → numpy.ndarray.

    Returns
    -------
    numpy.ndarray, uint8 or uint16, [H, W] or [H, W, 3]

    Raises
    ------
    ValueError
        If a segment has fewer bytes than the header says.
    Exception
        Whatever the decoder raises on broken runs.
    """
    num_bytes, num_samples = header.bits_allocated // 8, header.num_samples
    num_segments, *starts = struct.unpack_from("<16L", data)
    ends = [*starts[1:num_segments], len(data)]
    planes = np.empty((num_samples, num_bytes, header.height * header.width), np.uint8)
    for plane, start, end in zip(
        planes.reshape(num_segments, -1), starts[:num_segments], ends, strict=True
    ):
        part = memoryview(data)[start:end]
        num_unpacked = _unpack(part, plane)
        if num_unpacked != plane.size:
            raise ValueError(f"{num_unpacked} of {plane.size} bytes in a segment of run lengths")
    values = planes[:, 0]
    if num_bytes == 2:
        values = allocate((num_samples, header.height * header.width), np.uint16)
        for sample in range(num_samples):
            join_bytes(planes[sample, 0], planes[sample, 1], values[sample])
    values = values.reshape(num_samples, header.height, header.width)
    return values[0] if num_samples == 1 else np.ascontiguousarray(np.moveaxis(values, 0, -1))


def _unpack(part: memoryview, plane: np.ndarray) -> int:
    """Unpack a segment into a plane, uint8, [N]; say how many bytes came, at most N."""
    try:
        return len(imagecodecs.packbits_decode(part, out=plane.data))  # pyright: ignore
    except imagecodecs.PackbitsError:
        # Padding behind the runs looks like more of them: two zeros are a run of one byte. Room for
        # that and for the last run, but not for 64 bytes of each of a hostile segment.
        room = np.empty(plane.size + len(part) + _MAX_RUN, np.uint8)
        unpacked = imagecodecs.packbits_decode(part, out=room.data)  # pyright: ignore
        plane[: len(unpacked)] = unpacked[: plane.size]
        return min(len(unpacked), plane.size)


@borrowing
def join_bytes(high, low, values):
    """Join the bytes of samples: two of uint8, [N] → uint16, [N]."""
    for i in range(values.size):
        values[i] = (np.uint16(high[i]) << 8) | low[i]
