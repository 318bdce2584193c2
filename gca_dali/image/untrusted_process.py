"""One process that decodes: started, asked, watched and replaced.

A path and what to do with it enter; a reply and an image leave, or the reason why not. Only
`gca_dali.image.untrusted` uses it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from gca_dali.image.claims import MAX_PIXELS, UnreadableImageError

# The caller's own path, so that the worker runs the same modules.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from gca_dali.image.untrusted_worker import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)
_PIPE_BYTES = 1 << 20
# Native decoders leak a little on each broken file.
_MAX_FILES_PER_WORKER = 5000
_MAX_REPLY_BYTES = 1 << 16
# A busy machine may slow a worker down, or stop it for a while; only then is this ever waited.
_WAIT_PER_CPU_SECOND = 10.0


class DecoderCrashError(UnreadableImageError):
    """A file on which a decoder crashed, ran out of memory or did not end in time."""


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
        """
        # The worker keeps the folder that it was started in.
        deadline = time.monotonic() + _WAIT_PER_CPU_SECOND * self._cpu_seconds
        request = request | {"path": str(path.absolute())}
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
        return reply, image

    def stop(self) -> None:
        """End the process; the next request starts another."""
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
