"""What decoders say of files that they read all the same: with the file's name, once.

Enters: the lines of `held_lines`, and which samples were with DALI when they came. Leaves: one
warning per file in the log. The files are decoded once more for it, one by one, in a process of
its own beside the run (`decode_alone`), and only where there was something to hear. What there is
no time for is left out: a damaged file speaks again in the next epoch.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections import deque
from contextlib import suppress
from functools import cache
from threading import Event, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakSet

import numpy as np

from gca_dali.steps.decode_alone import decode_alone
from gca_dali.steps.held_lines import HeldLines

if TYPE_CHECKING:
    from gca_dali.data.rows import Rows

LOG = logging.getLogger("gca_dali")
# More than are ever between the source and the caller: older batches have been decoded.
_NUM_UNDER_WAY = 8
# Half a minute for the child: 20 ms for 1500 x 1500 pixels, on one core of a server.
_NUM_SUSPECTS = 1000
_MOST_FAILURES = 3
# The process ends after so many files and so many seconds: on a busy machine a child begins late.
_NUM_AT_END = 100
_SECONDS_AT_END = 20
_SECONDS_TO_STOP = 3


class Served:
    """Samples that a source has given to DALI of late.

    Parameters
    ----------
    rows : Rows
    """

    def __init__(self, rows: Rows) -> None:
        self.files, self.paths = rows.files, rows.path
        self.may_warn = np.isin(rows.format, ("jpeg", "png"))
        self._batches: deque[np.ndarray] = deque(maxlen=_NUM_UNDER_WAY)
        self._watch = _watch() if rows.places is None and self.may_warn.any() else None
        if self._watch is not None:
            self._watch.sources.add(self)

    def look(self) -> None:
        """See to what decoders have said by now."""
        if self._watch is not None:
            self._watch.look()

    def note(self, index: np.ndarray) -> None:
        """Take up a batch: sample indices, int64, [B]."""
        if self._watch is not None:
            self._batches.append(index)

    def names(self) -> dict[str, str]:
        """Return the files of these samples: where they are → what the manifest calls them."""
        batches = list(self._batches)
        if not batches:
            return {}
        index = np.concatenate(batches)
        return {self.files[i]: str(self.paths[i]) for i in index[self.may_warn[index]]}


class Watch:
    """Puts names to lines, in a thread of its own."""

    def __init__(self, lines: HeldLines) -> None:
        self.sources: WeakSet[Served] = WeakSet()
        self._lines = lines
        self._said: dict[str, tuple[str, ...]] = {}  # by file, once it was decoded alone
        self._shown: set[str] = set()  # lines without a file
        self._thread: Thread | None = None
        self._num_failures = 0  # in a row
        self._heard: set[str] = set()
        self._suspects: dict[str, str] = {}
        self._left_out: set[str] = set()
        self._lock = Lock()
        self._ends = Event()
        self._process = os.getpid()
        atexit.register(self._end)

    def look(self) -> None:
        """See to what decoders have said since the last call."""
        with self._lock:
            if self._hear() and (self._thread is None or not self._thread.is_alive()):
                # A daemon, for which Python does not wait.
                thread = Thread(target=self._explain, name="gca_dali-warned", daemon=True)
                with suppress(RuntimeError):  # no thread can be had; the next line is a new chance
                    thread.start()
                    self._thread = thread

    def _hear(self) -> bool:
        """Tell whether decoders have said anything; note it, and the files it may be of."""
        lines = self._lines.take()
        self._heard.update(lines)
        if lines:
            names: dict[str, str] = {}
            for source in list(self.sources):
                names |= source.names()
            # The files of one line stay together, however many they are.
            if not self._suspects or len(self._suspects | names) <= _NUM_SUSPECTS:
                self._suspects |= names
            else:
                self._left_out |= names.keys()
        return bool(lines)

    def _explain(self, end: float | None = None) -> None:
        """Say of which files the lines are, and say what is of none.

        `end`, of `time.monotonic`, is given when the run is over.
        """
        with self._lock:
            heard, self._heard = self._heard, set()
            suspects, self._suspects = self._suspects, {}
            left_out, self._left_out = self._left_out, set()
        new = [file for file in suspects if file not in self._said]
        if self._num_failures == _MOST_FAILURES:
            new = []
        if end is None:
            found = decode_alone(new, self._ends.is_set)
        else:
            latest = new[::-1][:_NUM_AT_END]
            found = decode_alone(latest, lambda: monotonic() > end)
        for file, said in found.items():
            self._said[file] = tuple(said)
            if said:
                LOG.warning("%s: %s", suspects[file], "; ".join(said))
        if end is None and self._ends.is_set():  # stopped: `_end` goes on
            with self._lock:
                self._heard |= heard
                self._suspects = suspects | self._suspects
                self._left_out |= left_out
            return
        if new:
            self._num_failures = 0 if found else self._num_failures + 1
        self._show(heard, suspects.keys() | left_out)

    def _show(self, heard: set[str], files: set[str]) -> None:
        """Log, once, the lines that were said of none of the files."""
        rest = heard.difference(self._shown, *(self._said.get(file, ()) for file in files))
        self._shown |= rest
        num_unasked = sum(file not in self._said for file in files)
        for line in sorted(rest):
            if num_unasked:
                LOG.warning(
                    "%s (%d of %d images could not be asked)", line, num_unasked, len(files)
                )
            else:
                LOG.warning("%s (said of none of the %d images alone)", line, len(files))

    def _end(self) -> None:
        if os.getpid() != self._process:
            return  # a forked child
        self._lines.let_go()
        self._ends.set()
        if self._thread is not None:
            self._thread.join(_SECONDS_TO_STOP)
        with self._lock:
            self._hear()
        if self._heard:
            self._explain(monotonic() + _SECONDS_AT_END)


@cache
def _watch() -> Watch | None:
    try:
        return Watch(HeldLines())
    except (OSError, AttributeError):
        return None  # not glibc: lines come without names
