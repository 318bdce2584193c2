"""Requests on standard input, decoded images on standard output: the process behind a pool.

A request is a length and JSON with a path; the reply a length, JSON and the bytes of the image.
Only `gca_dali.image.untrusted` starts it. No pickle passes in either direction.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import struct
import sys
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gca_dali.image.claims import NUM_SNIFFED_BYTES, UnreadableImageError, sniff_format
from gca_dali.image.read import read_image

if TYPE_CHECKING:
    import numpy as np


def main(memory_bytes: int, cpu_seconds: int) -> None:
    """Answer requests until standard input closes.

    Parameters
    ----------
    memory_bytes : int
        Limit on the address space of this process.
    cpu_seconds : int
        Processor time for one request, after which the kernel ends this process by SIGXCPU.
    """
    # The parent decides when to stop, not a key press that both receive.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    warnings.simplefilter("ignore")
    requests = sys.stdin.buffer
    with os.fdopen(os.dup(1), "wb") as replies:
        # Decoders that print must not write into the replies.
        os.dup2(2, 1)
        while head := requests.read(4):
            request = json.loads(requests.read(struct.unpack("<L", head)[0]))
            used = resource.getrusage(resource.RUSAGE_SELF)
            used_seconds = math.ceil(used.ru_utime + used.ru_stime)
            _limit(resource.RLIMIT_CPU, used_seconds + cpu_seconds)
            reply, image = _answer(request)
            text = json.dumps(reply).encode()
            replies.write(struct.pack("<L", len(text)) + text)
            if image is not None:
                replies.write(image.data)
            replies.flush()


def _limit(kind: int, amount: int) -> None:
    """Set a soft limit, within the hard one that this process was born with."""
    hard = resource.getrlimit(kind)[1]
    soft = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.setrlimit(kind, (soft, hard))


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray | None]:
    try:
        image, intensity = _read(request)
        facts = None
        if "shrink" in request:
            from gca_dali.image.shrink import shrink_and_tell

            image, facts = shrink_and_tell(request, image, intensity)
    except UnreadableImageError as error:
        return {"kind": "unreadable", "reason": error.reason, "remedy": error.remedy}, None
    except MemoryError:
        remedy = "Downsize the image first."
        return {
            "kind": "unreadable",
            "reason": "more pixels than memory holds",
            "remedy": remedy,
        }, None
    except OSError as error:
        return {"kind": "missing", "reason": str(error)}, None
    except ValueError as error:
        return {"kind": "refused", "reason": str(error)}, None
    reply = {
        "kind": "image",
        "shape": image.shape,
        "bits": 8 * image.itemsize,
        "intensity": intensity,
        "facts": facts,
    }
    return reply, image


def _read(request: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any] | None]:
    path = request["path"]
    if os.path.isfile(path):
        with open(path, "rb") as stream:
            head = stream.read(NUM_SNIFFED_BYTES)
        if sniff_format(head) == "dicom":
            from gca_dali.image.dicom import read_dicom

            image, intensity = read_dicom(path, frame=request["frame"], voi=request["voi"])
            return image, asdict(intensity)
    return read_image(path), None
