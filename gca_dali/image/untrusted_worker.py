"""Requests on standard input, replies on standard output: the process behind a pool.

A request is a length and JSON with a path; the reply a length and JSON. The image lies in a file in
memory that both processes hold, behind the table of its grey levels where one is to be looked up
still: decoders write there, and no pixel passes through a pipe. Only
`gca_dali.image.untrusted` starts it. No pickle passes in either direction.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import resource
import signal
import struct
import sys
import warnings
from dataclasses import asdict
from typing import Any

import numpy as np

from gca_dali.common.machine import is_machine_fault, lacks_memory
from gca_dali.image.claims import NUM_SNIFFED_BYTES, UnreadableImageError, sniff_format
from gca_dali.image.read import read_image
from gca_dali.image.untrusted_process import TABLE_BYTES


class ImageMemory:
    """The file in memory that images are left in.

    Parameters
    ----------
    descriptor : int
        Of the file.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._whole = np.empty(0, np.uint8)

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Give an array behind the table in the file, which is made long enough."""
        num_bytes = TABLE_BYTES + math.prod(shape) * np.dtype(dtype).itemsize
        if num_bytes > self._whole.size:
            os.ftruncate(self._descriptor, num_bytes)
            self._whole = np.frombuffer(mmap.mmap(self._descriptor, num_bytes), np.uint8)
        return self._whole[TABLE_BYTES:num_bytes].view(dtype).reshape(shape)

    def put(self, image: np.ndarray, table: np.ndarray | None) -> None:
        """Copy an image there, unless it was made there, and its table."""
        place = self.allocate(image.shape, image.dtype)
        if image.ctypes.data != place.ctypes.data or not image.flags.c_contiguous:
            place[:] = image.copy() if np.may_share_memory(image, place) else image
        if table is not None:
            self._whole[:TABLE_BYTES].view(np.uint16)[:] = table


def main(memory_bytes: int, cpu_seconds: int, descriptor: int) -> None:
    """Answer requests until standard input closes.

    Parameters
    ----------
    memory_bytes : int
        Limit on the address space of this process.
    cpu_seconds : int
        Processor time for one request, after which the kernel ends this process by SIGXCPU.
    descriptor : int
        Of the file in memory for images.
    """
    # The parent decides when to stop, not a key press that both receive.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    has_memory = _limit(resource.RLIMIT_AS, memory_bytes) == memory_bytes
    _limit(resource.RLIMIT_CORE, 0)
    warnings.simplefilter("ignore")
    requests, memory = sys.stdin.buffer, ImageMemory(descriptor)
    with os.fdopen(os.dup(1), "wb") as replies:
        # Decoders that print must not write into the replies.
        os.dup2(2, 1)
        while head := requests.read(4):
            request = json.loads(requests.read(struct.unpack("<L", head)[0]))
            used = resource.getrusage(resource.RUSAGE_SELF)
            used_seconds = math.ceil(used.ru_utime + used.ru_stime)
            _limit(resource.RLIMIT_CPU, used_seconds + cpu_seconds)
            reply = _answer(request | {"has_memory": has_memory}, memory)
            text = json.dumps(reply).encode()
            replies.write(struct.pack("<L", len(text)) + text)
            replies.flush()


def _limit(kind: int, amount: int) -> int:
    """Set and return a soft limit, within the hard one that this process was born with."""
    hard = resource.getrlimit(kind)[1]
    soft = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.setrlimit(kind, (soft, hard))
    return soft


def _answer(request: dict[str, Any], memory: ImageMemory) -> dict[str, Any]:
    try:
        image, table, intensity = _read(request, memory)
        facts = None
        if "shrink" in request:
            from gca_dali.image.shrink import shrink_and_tell

            image, facts = shrink_and_tell(request, image, intensity)
        memory.put(image, table)
    except Exception as error:
        return _tell(error, request["has_memory"])
    return {
        "kind": "image",
        "shape": image.shape,
        "bits": 8 * image.itemsize,
        "has_table": table is not None,
        "intensity": intensity,
        "facts": facts,
    }


def _tell(error: Exception, has_memory: bool) -> dict[str, Any]:
    """Return the reply to an error; raise it if it is none that a decoder raises."""
    # With all the memory that a worker is given, it is the file that asks for too much.
    too_large = has_memory and lacks_memory(error)
    if is_machine_fault(error) and not too_large:
        number = getattr(error.__cause__ or error, "errno", None)
        return {"kind": "machine", "reason": str(error), "errno": number}
    if isinstance(error, UnreadableImageError):
        return {"kind": "unreadable", "reason": error.reason, "remedy": error.remedy}
    if too_large:
        reason = "more pixels than memory holds"
        return {"kind": "unreadable", "reason": reason, "remedy": "Downsize the image first."}
    if isinstance(error, OSError):
        return {"kind": "missing", "reason": str(error), "errno": error.errno}
    if isinstance(error, ValueError):
        return {"kind": "refused", "reason": str(error)}
    raise error


def _read(
    request: dict[str, Any], memory: ImageMemory
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any] | None]:
    """Return the image, or codes and their table; and how grey levels were made."""
    path = request["path"]
    if os.path.isfile(path):
        with open(path, "rb") as stream:
            head = stream.read(NUM_SNIFFED_BYTES)
        if sniff_format(head) == "dicom":
            from gca_dali.image.dicom import read_dicom
            from gca_dali.image.dicom.read import read_levels

            options = {"frame": request["frame"], "voi": request["voi"]}
            if "shrink" in request:
                image, intensity = read_dicom(path, **options)
                return image, None, asdict(intensity)
            codes, table, intensity = read_levels(path, **options, allocate=memory.allocate)
            return codes, table, asdict(intensity)
    return read_image(path), None, None
