"""What decoders say of files that they read all the same: with the file's name, once.

Enters: the lines of `held_lines`, and which samples were with DALI when they came. Leaves: one
warning per file in the log. The files are decoded once more for it, one by one, in a process of
its own beside the run (`decode_alone`), and only where there was something to hear.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from threading import Lock
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
        index = np.unique(np.concatenate(batches))
        return {self.files[i]: str(self.paths[i]) for i in index[self.may_warn[index]]}


class Watch:
    """Puts names to lines, in a thread of its own."""

    def __init__(self, lines: HeldLines) -> None:
        self.sources: WeakSet[Served] = WeakSet()
        self._lines = lines
        self._said: dict[str, tuple[str, ...]] = {}  # by file, once it was decoded alone
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gca_dali-warned")
        self._asked: Future[None] | None = None
        self._heard: set[str] = set()
        self._suspects: dict[str, str] = {}
        self._lock = Lock()
        self._process = os.getpid()
        atexit.register(self._end)

    def look(self) -> None:
        """See to what decoders have said since the last call."""
        if self._hear() and (self._asked is None or self._asked.done()):
            self._asked = self._thread.submit(self._explain)

    def _hear(self) -> bool:
        """Tell whether decoders have said anything; note it, and the files it may be of."""
        lines = self._lines.take()
        with self._lock:
            self._heard.update(lines)
            if lines:
                for source in list(self.sources):
                    self._suspects |= source.names()
        return bool(lines)

    def _explain(self) -> None:
        """Say of which files the lines are, and say what is of none."""
        with self._lock:
            heard, self._heard = self._heard, set()
            suspects, self._suspects = self._suspects, {}
        new = [file for file in suspects if file not in self._said]
        for file, said in decode_alone(new).items():
            self._said[file] = tuple(said)
            if said:
                LOG.warning("%s: %s", suspects[file], "; ".join(said))
        for line in sorted(heard.difference(*(self._said.get(file, ()) for file in suspects))):
            LOG.warning("%s (said of none of the %d images alone)", line, len(suspects))

    def _end(self) -> None:
        if os.getpid() != self._process:
            return  # a forked child
        self._lines.let_go()
        self._hear()
        if self._heard:
            self._explain()


@cache
def _watch() -> Watch | None:
    try:
        return Watch(HeldLines())
    except (OSError, AttributeError):
        return None  # not glibc: lines come without names
