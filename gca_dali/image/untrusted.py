"""Paths of files of unknown origin in, decoded grey arrays out, whatever the files hold.

Native decoders can crash or hang on broken data. Here they run in worker processes with a limit
on memory and time; a file on which a worker dies twice is refused, and nothing else. A worker that
is killed from outside says nothing of its file. The loader and `prepare` read DICOM this way.
"""

from __future__ import annotations

import atexit
import os
import queue
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.common.machine import PAUSES_SECONDS
from gca_dali.image.untrusted_process import DecoderCrashError as DecoderCrashError
from gca_dali.image.untrusted_process import DecoderTimeError, Worker, WorkerLostError

if TYPE_CHECKING:
    from gca_dali.image.dicom import DicomIntensity


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
        self._slots: queue.LifoQueue[Worker] = queue.LifoQueue()
        for _ in range(num_workers):
            self._slots.put(Worker(memory_bytes, cpu_seconds))
        self._num_workers = num_workers

    def read(
        self, path: str | Path, *, frame: int = 0, voi: str = "auto"
    ) -> tuple[np.ndarray, DicomIntensity | None]:
        """Decode one file in a worker; see :func:`read_untrusted`."""
        reply, image = self._ask(Path(path), {"frame": frame, "voi": voi})
        if reply["intensity"] is None:
            return image, None
        from gca_dali.image.dicom import DicomIntensity

        return image, DicomIntensity(**reply["intensity"])

    def shrink(
        self,
        path: str | Path,
        shorter_side: int,
        *,
        stretched: bool = False,
        frame: int = 0,
        voi: str = "auto",
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Decode one file in a worker and resize it there.

        Parameters
        ----------
        path : str or pathlib.Path
            The file.
        shorter_side : int
            Pixels, see :func:`gca_dali.image.shrink.shrink`.
        stretched : bool
            Stretch the image's own range to black and white.
        frame, voi
            As :func:`read_untrusted`.

        Returns
        -------
        pixels : numpy.ndarray, uint16, [h, w]
            Grey over the full range.
        facts : dict
            "height" and "width" of the original, "intensity" (voi, low, high, inverted) and
            "source" (num_bytes, blake2b).
        """
        shrunk = {"shorter_side": shorter_side, "stretched": stretched}
        reply, image = self._ask(Path(path), {"frame": frame, "voi": voi, "shrink": shrunk})
        return image, reply["facts"]

    def _ask(self, path: Path, request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
        """Ask a worker; where it dies, another is asked before the file is blamed."""
        worker = self._slots.get()
        try:
            return worker.ask(path, request)
        except DecoderTimeError:
            raise
        except DecoderCrashError:
            return worker.ask(path, request)
        except WorkerLostError:
            return _ask_again(worker, path, request)
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


def _ask_again(
    worker: Worker, path: Path, request: dict[str, Any]
) -> tuple[dict[str, Any], np.ndarray]:
    """Ask after growing pauses; blame the file if its workers alone are killed."""
    for pause in PAUSES_SECONDS[:-1]:
        time.sleep(pause)
        with suppress(WorkerLostError):
            return worker.ask(path, request)
    time.sleep(PAUSES_SECONDS[-1])
    worker.check()
    try:
        return worker.ask(path, request)
    except WorkerLostError:
        reason = f"data on which the decoder was killed {len(PAUSES_SECONDS) + 1} times"
        raise DecoderCrashError(path, reason, "Downsize the image first.") from None


def read_untrusted(
    path: str | Path, *, frame: int = 0, voi: str = "auto"
) -> tuple[np.ndarray, DicomIntensity | None]:
    """Decode a JPEG, PNG, TIFF or DICOM file of unknown origin in another process.

    The same values as `read.read_image` and `dicom.read_dicom`, from
    a pool that all threads of this process share.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    frame : int
        Which frame of a DICOM file, from 0.
    voi : str
        What sets the contrast of a DICOM file, see :func:`gca_dali.image.dicom.read_dicom`.

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
        If its decoder crashed twice, or took over a minute of processor time or 4 GiB.
    OSError, MemoryError, WorkerLostError
        For a fault of the machine, see :mod:`gca_dali.common.machine`.
    """
    return _find_pool(os.getpid()).read(path, frame=frame, voi=voi)


def _find_pool(process: int) -> DecoderPool:
    """Return this process's pool: a forked child must not talk on its parent's pipes."""
    # One thread makes it; a fork in that moment leaves its child a lock that nobody opens, which
    # is why a child has one of its own.
    with _locks.setdefault(process, Lock()):
        if process not in _pools:
            _pools[process] = DecoderPool(num_workers=os.cpu_count() or 1)
        return _pools[process]


_locks: dict[int, Lock] = {}
_pools: dict[int, DecoderPool] = {}


@atexit.register
def _close_shared() -> None:
    if os.getpid() in _pools:
        _pools[os.getpid()].close()
