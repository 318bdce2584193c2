"""What a kernel needs beside a batch: small tables kept on the device, small arrays sent there.

Enters: laws, looks, NumPy arrays. Leaves: CuPy arrays. Tables are sent once per device; the arrays
of a batch go together in one copy from pinned memory, which does not wait for the GPU.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np

from gca_dali_kernels.gpu import explained_errors, import_cupy
from gca_dali_kernels.launch import stream_at
from gca_dali_kernels.law import ViewLaws
from gca_dali_kernels.look import GroupLooks

# Every type and every vector load of the kernels is aligned to this.
ALIGNMENT = 16
NUM_BUFFERS = 4


def window_tables(laws: ViewLaws) -> tuple[Any, ...]:
    """Return what `sample_windows` reads of the laws, on the current device.

    Returns
    -------
    tuple of cupy.ndarray
        Groups of the views, int32, [V]; records, uint8; aspects, rotations and betas, int64, of
        all groups.
    """
    return _send(pack_windows, laws, import_cupy().cuda.runtime.getDevice())


def cutout_tables(laws: ViewLaws) -> tuple[Any, ...]:
    """Return groups of the views, records and rotations for `sample_cutouts`, on the device."""
    return _send(pack_cutouts, laws, import_cupy().cuda.runtime.getDevice())


def look_tables(looks: GroupLooks) -> tuple[Any, ...]:
    """Return rotations, int64, and the looks' records, uint8, on the current device."""
    return _send(pack_looks, looks, import_cupy().cuda.runtime.getDevice())


@lru_cache(maxsize=64)
def _send(pack: Callable[[Any], tuple[np.ndarray, ...]], what: Any, device: int) -> tuple[Any, ...]:
    """Send packed tables once per device; the key of the cache is what they are packed from."""
    with explained_errors():
        cupy = import_cupy()
        sent = tuple(cupy.asarray(table) for table in pack(what))
        # Other streams than the one that copied will read them.
        cupy.cuda.get_current_stream().synchronize()
        return sent


def pack_windows(laws: ViewLaws) -> tuple[np.ndarray, ...]:
    """Return the arrays of `window_tables` on the host."""
    records = laws.window_records.view(np.uint8)
    return laws.group_of_view, records, laws.aspects_q16, laws.rotations_q16, laws.betas_q16


def pack_cutouts(laws: ViewLaws) -> tuple[np.ndarray, ...]:
    """Return the arrays of `cutout_tables` on the host."""
    return laws.group_of_view, laws.cutout_records.view(np.uint8), laws.rotations_q16


def pack_looks(looks: GroupLooks) -> tuple[np.ndarray, ...]:
    """Return the arrays of `look_tables` on the host."""
    return looks.rotations_q16, looks.records.view(np.uint8)


class Sender:
    """Sends the small arrays of each batch in one copy; threads and GPUs may share it.

    A few buffers of each GPU take turns; one is written again after the copy from it has ended,
    which it has long since unless batches are queued faster than they run.

    Examples
    --------
    >>> sender = Sender()  # doctest: +SKIP
    >>> index, shapes = sender.send((index, shapes), stream)  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._rings: dict[int, deque[PinnedBuffer | None]] = {}
        self._lock = Lock()

    def send(self, arrays: Sequence[np.ndarray], stream: int | None = None) -> tuple[Any, ...]:
        """Return copies on the current device, in order, ready on the stream.

        Parameters
        ----------
        arrays : sequence of numpy.ndarray
        stream : int, optional
            Address of a CUDA stream; None means CuPy's current stream.

        Raises
        ------
        RuntimeError
            If the GPU has no memory left or fails.
        """
        starts, num_bytes = lay_out(arrays)
        with explained_errors(), stream_at(stream), self._lock:
            cupy = import_cupy()
            buffer = self._take(num_bytes)
            write_arrays(arrays, starts, buffer.host)
            target = cupy.empty(num_bytes, cupy.uint8)
            target.data.copy_from_host_async(buffer.memory.ptr, num_bytes)
            buffer.copied.record()
            return tuple(
                target[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
                for start, array in zip(starts, arrays, strict=True)
            )

    def _take(self, num_bytes: int) -> PinnedBuffer:
        """Return the next buffer, free to be written and large enough."""
        device = import_cupy().cuda.runtime.getDevice()  # an event belongs to one
        ring = self._rings.setdefault(device, deque([None] * NUM_BUFFERS))
        buffer = ring.popleft()
        if buffer is not None:
            buffer.copied.synchronize()
        if buffer is None or len(buffer.host) < num_bytes:
            buffer = PinnedBuffer(num_bytes)
        ring.append(buffer)
        return buffer


class PinnedBuffer:
    """Host memory that the GPU copies from while the host goes on."""

    def __init__(self, num_bytes: int) -> None:
        cupy = import_cupy()
        self.memory = cupy.cuda.alloc_pinned_memory(num_bytes)
        self.host = np.frombuffer(self.memory, np.uint8, num_bytes)
        self.copied = cupy.cuda.Event(block=True, disable_timing=True)


def lay_out(arrays: Sequence[np.ndarray]) -> tuple[list[int], int]:
    """Return where each array starts in a buffer of all, and the buffer's bytes."""
    starts, end = [], 0
    for array in arrays:
        starts.append(end)
        end += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    return starts, max(end, ALIGNMENT)


def write_arrays(arrays: Sequence[np.ndarray], starts: list[int], host: np.ndarray) -> None:
    """Copy the arrays' bytes to where `lay_out` put them."""
    for start, array in zip(starts, arrays, strict=True):
        part = host[start : start + array.nbytes]
        part[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
