"""Files in, what DALI's decoders print of each out: decoded one by one, in a process of its own.

Decoders print to descriptor 2 and name no file. Here that descriptor is a file in memory, which is
read after each image. `warned` asks; paths come on standard input, for each a line of JSON leaves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from gca_dali_kernels.child import child_command

# How libjpeg (jerror.h, its warnings) and libpng begin what they print.
BEGINNINGS = (
    "Corrupt JPEG data: ",
    "Inconsistent progression sequence ",
    "Invalid SOS parameters for sequential JPEG",
    "Premature end of JPEG file",
    "Unknown Adobe color transform code ",
    "Warning: unknown JFIF revision number ",
    "libpng error: ",
    "libpng warning: ",
)
_BOOT = """
from gca_dali.steps.decode_alone import main
main()
"""
_START_SECONDS = 60
_SECONDS_PER_FILE = 2
_SECONDS_PER_LOOK = 0.1
_SECONDS_TO_DIE = 1
_MAX_TEXT_BYTES = 1 << 16
_NICENESS = 10


def decode_alone(files: list[str], is_over: Callable[[], bool]) -> dict[str, list[str]]:
    """Return what is printed of each file.

    Parameters
    ----------
    files : list of str
        JPEG and PNG files.
    is_over : callable
        Asked ten times a second; when it returns True the process is killed.

    Returns
    -------
    dict of str to list of str
        Lines by file, each once. A file is missing if the process did not come to it: it found no
        memory, crashed, or was killed.
    """
    if not files:
        return {}
    request = json.dumps([os.path.abspath(file) for file in files]).encode()
    end = monotonic() + _START_SECONDS + _SECONDS_PER_FILE * len(files)
    replies = b""
    with suppress(OSError):  # no process can be had
        replies = _converse(request, lambda: is_over() or monotonic() > end)
    said = {}
    for file, line in zip(files, replies.splitlines(), strict=False):
        with suppress(ValueError):  # cut off by the end of the process
            said[file] = json.loads(line)
    return said


def _converse(request: bytes, is_over: Callable[[], bool]) -> bytes:
    child = subprocess.Popen(
        child_command(_BOOT),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the run
    )
    rest: bytes | None = request
    while True:
        try:
            return child.communicate(rest, _SECONDS_PER_LOOK)[0]
        except subprocess.TimeoutExpired as error:
            rest, replies = None, error.stdout or b""
        if is_over():
            child.kill()
            with suppress(subprocess.TimeoutExpired):  # it hangs in a file system
                replies = child.communicate(timeout=_SECONDS_TO_DIE)[0]
            return replies


def main() -> None:
    """Answer one request."""
    files = json.load(sys.stdin)
    os.nice(_NICENESS)
    text = os.memfd_create("said")
    os.dup2(text, sys.stderr.fileno())
    with os.fdopen(os.dup(1), "w") as replies:
        os.dup2(text, sys.stdout.fileno())
        for file in files:
            os.lseek(text, 0, os.SEEK_SET)
            os.ftruncate(text, 0)
            # Missing, or refused: the run itself names such a file.
            with suppress(OSError, RuntimeError):
                _decode(np.fromfile(Path(file), np.uint8))
            lines = os.pread(text, _MAX_TEXT_BYTES, 0).decode(errors="replace").splitlines()
            said = [line for line in dict.fromkeys(lines) if line.startswith(BEGINNINGS)]
            print(json.dumps(said), file=replies, flush=True)


def _decode(encoded: np.ndarray) -> None:
    import nvidia.dali.fn as fn
    from nvidia.dali import pipeline_def

    from gca_dali.steps.decode import decode_grey
    from gca_dali.steps.device import CPU

    @pipeline_def(batch_size=1, num_threads=1, device_id=None, prefetch_queue_depth=1)
    def define() -> Any:
        return decode_grey(fn.external_source(name="encoded"), False, CPU)

    pipeline = define()
    pipeline.build()
    pipeline.feed_input("encoded", [encoded])
    pipeline.run()
