"""Paths of files of unknown origin in, decoded grey arrays out, whatever the files hold.

Native decoders can crash or hang on broken data. Here they run in worker processes with a limit
on memory and time; a worker that dies takes one file with it, and nothing else. The loader and
`prepare` read DICOM this way.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import select
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.image import MAX_PIXELS, UnreadableImageError

if TYPE_CHECKING:
    from gca_dali.dicom import DicomIntensity

# The caller's own path, so that the worker runs the same modules.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from gca_dali.untrusted_worker import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)
_PIPE_BYTES = 1 << 20
# Native decoders leak a little on each broken file.
_MAX_FILES_PER_WORKER = 5000
_MAX_REPLY_BYTES = 1 << 16
# A busy machine may slow a worker down, or stop it for a while; only then is this ever waited.
_WAIT_PER_CPU_SECOND = 10.0


class DecoderCrashError(UnreadableImageError):
    """A file on which a decoder crashed, ran out of memory or did not end in time."""


class DecoderPool:
    """Processes that decode, one file each at a time; safe to use from several threads.

    Parameters
    ----------
    num_workers : int
        Most processes at once; each starts when it is first needed.
    cpu_seconds : int
        Processor time for one file, after which its worker is killed; if the worker sleeps
        instead, it is killed after ten times as long.
    memory_bytes : int
        Address space of a worker. A grey image of 200 megapixels needs about 2 GiB.

    Raises
    ------
    ValueError
        If a number is not positive.

    Examples
    --------
    >>> with DecoderPool(num_workers=2) as pool:  # doctest: +SKIP
    ...     image, intensity = pool.read("chest.dcm")
    """

    def __init__(
        self, num_workers: int = 2, cpu_seconds: int = 60, memory_bytes: int = 4 << 30
    ) -> None:
        for name, value in (
            ("num_workers", num_workers),
            ("cpu_seconds", cpu_seconds),
            ("memory_bytes", memory_bytes),
        ):
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}. Leave it at its default.")
        self._slots: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for _ in range(num_workers):
            self._slots.put(_Worker(memory_bytes, cpu_seconds))
        self._num_workers = num_workers

    def read(
        self, path: str | Path, *, frame: int = 0, voi: str = "auto"
    ) -> tuple[np.ndarray, DicomIntensity | None]:
        """Decode one file in a worker; see :func:`read_untrusted`."""
        worker = self._slots.get()
        try:
            return worker.read(Path(path), frame, voi)
        finally:
            self._slots.put(worker)

    def close(self) -> None:
        """End all workers; the next read starts them again."""
        workers = [self._slots.get() for _ in range(self._num_workers)]
        for worker in workers:
            worker.stop()
            self._slots.put(worker)

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_untrusted(
    path: str | Path, *, frame: int = 0, voi: str = "auto"
) -> tuple[np.ndarray, DicomIntensity | None]:
    """Decode a JPEG, PNG, TIFF or DICOM file of unknown origin in another process.

    The same values as :func:`gca_dali.image.read_image` and :func:`gca_dali.dicom.read_dicom`, from
    a pool that all threads of this process share.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    frame : int
        Which frame of a DICOM file, from 0.
    voi : str
        What sets the contrast of a DICOM file, see :func:`gca_dali.dicom.read_dicom`.

    Returns
    -------
    image : numpy.ndarray, uint8 or uint16, [H, W]
    intensity : DicomIntensity or None
        None for other formats.

    Raises
    ------
    FileNotFoundError
        If there is no such regular file.
    ValueError
        If `voi` or `frame` is not allowed.
    UnreadableImageError
        If it cannot be read.
    DecoderCrashError
        If its decoder crashed, or took over a minute of processor time or 4 GiB.
    """
    # A forked child shares its parent's pipes and must not talk on them.
    if _shared.get("pid") != os.getpid():
        _shared["pid"] = os.getpid()
        _shared["pool"] = DecoderPool(num_workers=os.cpu_count() or 1)
    return _shared["pool"].read(path, frame=frame, voi=voi)


_shared: dict[str, Any] = {}


@atexit.register
def _close_shared() -> None:
    if _shared.get("pid") == os.getpid():
        _shared["pool"].close()


class _Worker:
    """One process, started when it is needed and after each death."""

    def __init__(self, memory_bytes: int, cpu_seconds: int) -> None:
        self._memory_bytes = memory_bytes
        self._cpu_seconds = cpu_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._num_files = 0

    def read(self, path: Path, frame: int, voi: str) -> tuple[np.ndarray, DicomIntensity | None]:
        # The worker keeps the folder that it was started in.
        deadline = time.monotonic() + _WAIT_PER_CPU_SECOND * self._cpu_seconds
        request = {"path": str(path.absolute()), "frame": frame, "voi": voi}
        try:
            reply, image = _exchange(self._start(), json.dumps(request).encode(), deadline)
        # ValueError and KeyError: a reply that is not one.
        except (EOFError, BrokenPipeError, TimeoutError, ValueError, KeyError) as error:
            raise DecoderCrashError(path, self._explain(error)) from error
        except BaseException:
            # Interrupted halfway: what is left in the pipe belongs to no later file.
            self.stop()
            raise
        if reply["kind"] == "unreadable":
            raise UnreadableImageError(path, reply["reason"], reply["remedy"])
        if reply["kind"] == "missing":
            raise FileNotFoundError(reply["reason"])
        if reply["kind"] == "refused":
            raise ValueError(reply["reason"])
        if reply["intensity"] is None:
            return image, None
        from gca_dali.dicom import DicomIntensity

        return image, DicomIntensity(**reply["intensity"])

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()  # pyright: ignore[reportOptionalMemberAccess]
        self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        has_died = self._process is not None and self._process.poll() is not None
        if has_died or self._num_files >= _MAX_FILES_PER_WORKER:
            self.stop()
        if self._process is None:
            self._num_files = 0
            arguments = [json.dumps(sys.path), str(self._memory_bytes), str(self._cpu_seconds)]
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                bufsize=0,
                pipesize=_PIPE_BYTES,
            )
        self._num_files += 1
        return self._process

    def _explain(self, error: Exception) -> str:
        process = self._process
        if process is None:
            return "a decoder that did not start"
        code = -signal.SIGXCPU
        if not isinstance(error, TimeoutError):
            try:
                code = process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                code = 0
        self.stop()
        if code == -signal.SIGXCPU:
            return f"data on which the decoder did not end in {self._cpu_seconds} s"
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"data on which the decoder crashed ({name})"


def _exchange(
    process: subprocess.Popen[bytes], request: bytes, deadline: float
) -> tuple[dict[str, Any], np.ndarray]:
    """Send a request; receive the reply and, if it announces one, the image after it."""
    process.stdin.write(struct.pack("<L", len(request)) + request)  # pyright: ignore[reportOptionalMemberAccess]
    pipe = process.stdout.fileno()  # pyright: ignore[reportOptionalMemberAccess]
    head = bytearray(4)
    _receive(pipe, memoryview(head), deadline)
    (size,) = struct.unpack("<L", head)
    # A worker that lost its mind must not make this process allocate.
    if size > _MAX_REPLY_BYTES:
        raise EOFError
    text = bytearray(size)
    _receive(pipe, memoryview(text), deadline)
    reply = json.loads(text)
    if reply["kind"] != "image":
        return reply, np.empty((0, 0), np.uint8)
    height, width = reply["shape"]
    if height * width > MAX_PIXELS:
        raise EOFError
    image = np.empty((height, width), np.uint16 if reply["bits"] == 16 else np.uint8)
    _receive(pipe, image.data.cast("B"), deadline)
    return reply, image


def _receive(pipe: int, left: memoryview, deadline: float) -> None:
    """Fill a buffer from a pipe before the deadline."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while left.nbytes:
        wait = deadline - time.monotonic()
        if wait <= 0 or not poll.poll(wait * 1000):
            raise TimeoutError
        num_bytes = os.readv(pipe, [left])
        if not num_bytes:
            raise EOFError
        left = left[num_bytes:]
