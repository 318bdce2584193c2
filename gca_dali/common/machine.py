"""Faults of the machine, which are no faults of a file: told apart, waited out, named.

Enters: work, and whatever it raises. Leaves: what the work returns, or `MachineFaultError` with one
line for the user; other errors pass. Whoever opens, reads or decodes a file asks here before it
blames the file.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

LOG = logging.getLogger("gca_dali")
# Waited between tries: four seconds in all.
PAUSES_SECONDS = (0.1, 0.4, 1.0, 2.5)

_DESCRIPTORS = "Raise the limit of open files (ulimit -n), or close what holds them."
_MEMORY = "Free memory, or use smaller batches and fewer threads."
_PROCESSES = "Raise the limit of processes (ulimit -u), or end some."
_ROOM = "Free room on that disk."
_STORAGE = "Look after the disk, or the network file system."
_UNKNOWN = "See what the machine lacks: memory, open files, or its disk."
_REMEDIES = {
    errno.EMFILE: _DESCRIPTORS,
    errno.ENFILE: _DESCRIPTORS,
    errno.ENOMEM: _MEMORY,
    errno.ENOBUFS: _MEMORY,
    errno.EAGAIN: _PROCESSES,
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
} | dict.fromkeys(
    (
        errno.EIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.EREMOTEIO,
        errno.ENOTCONN,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ESHUTDOWN,
    ),
    _STORAGE,
)
_DALI_END = "no longer valid"
_MAX_WORDS = 300
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
# How native code and Python's threads say it, in errors without a number.
_SIGNS = {os.strerror(number): remedy for number, remedy in _REMEDIES.items()} | {
    "std::bad_alloc": _MEMORY,
    "out of memory": _MEMORY,
    "can't start new thread": _PROCESSES,
}

Result = TypeVar("Result")


class MachineFaultError(RuntimeError):
    """What the machine lacks, in one line; it lasted too long to be waited out."""


def is_machine_fault(error: BaseException | None) -> bool:
    """Tell whether an error, or one that caused it, is the machine's and not a file's.

    Examples
    --------
    >>> is_machine_fault(OSError(errno.EMFILE, "Too many open files"))
    True
    >>> is_machine_fault(FileNotFoundError(errno.ENOENT, "No such file"))
    False
    """
    return _find_remedy(error) is not None


def is_failed_pipeline(error: BaseException) -> bool:
    """Tell whether DALI has given a pipeline up; of files that it cannot open it says no more."""
    return _DALI_END in str(error)


def lacks_memory(error: BaseException) -> bool:
    """Tell whether an error, or one that caused it, says that there was too little memory."""
    return _find_remedy(error) is _MEMORY


def _find_remedy(error: BaseException | None) -> str | None:
    """Return what to do about a fault of the machine; None for any other error."""
    while error is not None:
        if isinstance(error, MemoryError):
            return _MEMORY
        if isinstance(error, MachineFaultError):
            return _UNKNOWN
        if isinstance(error, OSError) and error.errno is not None:
            if error.errno in _REMEDIES:
                return _REMEDIES[error.errno]
        elif isinstance(error, (OSError, RuntimeError, ImportError)):
            text = str(error)
            for sign, remedy in _SIGNS.items():
                if sign in text:
                    return remedy
        error = error.__cause__
    return None


def describe(error: BaseException) -> str:
    """Say in a few words what an error says; never empty.

    Examples
    --------
    >>> describe(OSError())
    'OSError'
    """
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if _DALI_END in text:
        # The word that tells stands before DALI's own last lines.
        lines = [line for line in text.splitlines() if line.strip()]
        told = [line for line in lines if _DALI_END not in line and "C++ context" not in line]
        text = (told or lines)[-1]
    return " ".join(text.split())[:_MAX_WORDS] or type(error).__name__


class Patience:
    """Does work again while the machine is in trouble, with growing pauses; threads may share it.

    The first call that has waited in vain ends all others, so that a run stops within seconds,
    however many files it has under way.
    """

    def __init__(self) -> None:
        self._lost = ""
        self._given_up = Event()
        self._told = False

    def call(
        self,
        work: Callable[[], Result],
        what: str,
        passes: Callable[[BaseException], bool] = is_machine_fault,
    ) -> Result:
        """Return what `work` returns, after as many tries as it takes.

        Parameters
        ----------
        work : callable
        what : str
            What is done, for the message: a file or a few words.
        passes : callable
            Tells of an error whether the same work may succeed later.

        Raises
        ------
        MachineFaultError
            If the trouble outlasts the pauses.
        """
        begun = time.monotonic()
        fault: Exception | None = None
        for pause in (0.0, *PAUSES_SECONDS):
            self._given_up.wait(pause)
            if self._lost:
                break
            try:
                return work()
            except Exception as error:
                if isinstance(error, MachineFaultError):
                    self._give_up(str(error))
                    raise
                if not passes(error):
                    raise
                fault = error
            if not self._told:
                self._told = True
                LOG.warning("waiting for the machine: %s (%s)", describe(fault), what)
        if fault is not None and not self._lost:
            self._give_up(
                f"the machine must let {what} be read, got {describe(fault)} for "
                f"{time.monotonic() - begun:.1f} s. {_find_remedy(fault) or _UNKNOWN} No file was "
                "set aside for it."
            )
        raise MachineFaultError(self._lost) from fault

    def _give_up(self, lost: str) -> None:
        self._lost = lost
        self._given_up.set()


def retried(work: Callable[[], Result], what: str) -> Result:
    """Do one piece of work with a patience of its own; see `Patience.call`."""
    return Patience().call(work, what)
