"""One process that decodes: started, asked, watched and replaced.

A path and what to do with it enter; a reply and an image leave, or the reason why not. The process
leaves images in a file in memory; they are looked up or copied out of it once. Only
`gca_dali.image.untrusted` uses it.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import select
import signal
import struct
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from gca_dali.common.machine import MachineFaultError
from gca_dali.image.claims import MAX_PIXELS, UnreadableImageError
from gca_dali_kernels.child import child_command

_BOOT = """
try:
    from gca_dali.image.untrusted_worker import main
except BaseException:
    sys.exit(75)
main(*map(int, sys.argv[1:]))
"""
_NOT_STARTED = 75  # what it could not import is no fault of the file
# Sent from outside: by the kernel when memory runs out, or by whoever ends processes.
_KILLED = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP)
# Memory of one image serves the next: to get it from the kernel, page by page, takes milliseconds.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} | _KEEP_MEMORY
# Native decoders leak a little on each broken file.
_MAX_FILES_PER_WORKER = 5000
_MAX_REPLY_BYTES = 1 << 16
# Of a table of grey levels, in front of the image: an entry for whatever 16 bits may be there.
TABLE_BYTES = 2 << 16
# After a larger image the process ends, and gives back the memory that it lay in.
_KEPT_BYTES = 64 << 20
# A busy machine may slow a worker down, or stop it for a while; only then is this ever waited.
_WAIT_PER_CPU_SECOND = 10.0


class DecoderCrashError(UnreadableImageError):
    """A file on which a decoder crashed, ran out of memory or did not end in time."""


class DecoderTimeError(DecoderCrashError):
    """A file on which a decoder did not end in time."""


class WorkerLostError(MachineFaultError):
    """A worker that was killed, or could not start: the file may be sound."""


class Worker:
    """One process, started when it is needed and after each death.

    Parameters
    ----------
    memory_bytes, cpu_seconds : int
        See :class:`gca_dali.image.untrusted.DecoderPool`.
    """

    def __init__(self, memory_bytes: int, cpu_seconds: int) -> None:
        self._memory_bytes = memory_bytes
        self._cpu_seconds = cpu_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._memory: _ImageFile
        self._num_files = 0

    def ask(self, path: Path, request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
        """Send one request and return the reply and its image.

        Parameters
        ----------
        path : pathlib.Path
            The file.
        request : dict
            What `gca_dali.image.untrusted_worker` is asked to do with it.

        Raises
        ------
        FileNotFoundError, ValueError, UnreadableImageError, DecoderCrashError
            As :func:`gca_dali.image.untrusted.read_untrusted`.
        OSError, MemoryError, WorkerLostError
            For a fault of the machine.
        """
        # The worker keeps the folder that it was started in.
        deadline = time.monotonic() + _WAIT_PER_CPU_SECOND * self._cpu_seconds
        request = request | {"path": str(path.absolute())}
        try:
            reply = _exchange(self._start(), json.dumps(request).encode(), deadline)
            image = self._take_image(reply)
        # ValueError and KeyError: a reply that is not one.
        except (EOFError, BrokenPipeError, TimeoutError, ValueError, KeyError) as error:
            raise self._explain(path, error) from error
        except BaseException:
            # Interrupted halfway: what is left in the pipe belongs to no later file.
            self.stop()
            raise
        if reply["kind"] == "unreadable":
            raise UnreadableImageError(path, reply["reason"], reply["remedy"])
        if reply["kind"] == "missing" and reply["errno"] is None:
            raise FileNotFoundError(reply["reason"])
        if reply["kind"] in ("missing", "machine"):
            number = reply["errno"]
            raise MemoryError(reply["reason"]) if number is None else _os_error(number, path)
        if reply["kind"] == "refused":
            raise ValueError(reply["reason"])
        return reply, image

    def check(self) -> None:
        """Raise WorkerLostError unless a worker lives long enough to look for a file."""
        with suppress(FileNotFoundError):
            self.ask(Path(os.devnull), {"frame": 0, "voi": "auto"})

    def stop(self) -> None:
        """End the process; the next request starts another."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()  # pyright: ignore[reportOptionalMemberAccess]
        self._process = None

    def _take_image(self, reply: dict[str, Any]) -> np.ndarray:
        """Take the image that a reply announces; an empty one where it announces none."""
        if reply["kind"] != "image":
            return np.empty((0, 0), np.uint8)
        height, width = reply["shape"]
        # A worker that lost its mind must not make this process allocate.
        if height * width > MAX_PIXELS:
            raise EOFError
        dtype = np.dtype(np.uint16 if reply["bits"] == 16 else np.uint8)
        whole = self._memory.view(TABLE_BYTES + height * width * dtype.itemsize)
        image = whole[TABLE_BYTES:].view(dtype).reshape(height, width)
        if reply["has_table"]:
            from gca_dali.image.dicom.levels import look_up

            image = look_up(image, whole[:TABLE_BYTES].view(np.uint16).copy())
        else:
            image = image.copy()
        if image.nbytes > _KEPT_BYTES:
            self.stop()
        return image

    def _start(self) -> subprocess.Popen[bytes]:
        has_died = self._process is not None and self._process.poll() is not None
        if has_died or self._num_files >= _MAX_FILES_PER_WORKER:
            self.stop()
        if self._process is None:
            self._num_files = 0
            self._memory = _ImageFile()  # an older one goes with the process that wrote it
            descriptor = self._memory.file.fileno()
            numbers = (self._memory_bytes, self._cpu_seconds, descriptor)
            self._process = subprocess.Popen(
                child_command(_BOOT, *map(str, numbers)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | _ENVIRONMENT,
                bufsize=0,
                pass_fds=[descriptor],
            )
        self._num_files += 1
        return self._process

    def _explain(self, path: Path, error: Exception) -> Exception:
        process = self._process
        code = -signal.SIGXCPU
        if process is not None and not isinstance(error, TimeoutError):
            try:
                code = process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                code = 0
        self.stop()
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if process is None or code == _NOT_STARTED or code in _KILLED:
            what = "cannot start" if name.startswith("exit") else f"was killed ({name})"
            return WorkerLostError(
                f"the machine must let decoders work, got one that {what} on {path}. Free memory "
                "(the kernel kills when it runs out), or use fewer threads."
            )
        if code == -signal.SIGXCPU:
            reason = f"data on which the decoder did not end in {self._cpu_seconds} s"
            return DecoderTimeError(path, reason)
        return DecoderCrashError(path, f"data on which the decoder crashed ({name})")


def _os_error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))


class _ImageFile:
    """A file in memory in which the process leaves its images; it can grow, not shrink."""

    def __init__(self) -> None:
        descriptor = os.memfd_create("gca_dali-image", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self.file = os.fdopen(descriptor, "rb", buffering=0)
        # A mapping of a file that became shorter would end this process.
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        self._whole = np.empty(0, np.uint8)

    def view(self, num_bytes: int) -> np.ndarray:
        """Return the first bytes; EOFError where there are fewer."""
        if num_bytes > self._whole.size:
            size = os.fstat(self.file.fileno()).st_size
            if num_bytes > size:
                raise EOFError
            mapped = mmap.mmap(self.file.fileno(), size, access=mmap.ACCESS_READ)
            self._whole = np.frombuffer(mapped, np.uint8)
        return self._whole[:num_bytes]


def _exchange(process: subprocess.Popen[bytes], request: bytes, deadline: float) -> dict[str, Any]:
    """Send a request and receive the reply."""
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
    return json.loads(text)


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
