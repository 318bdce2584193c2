"""Ctrl-C and SIGTERM end a run between two steps, so that what is saved is whole.

Enters: signals. Leaves: a flag that the training loop asks for after every step.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class InterruptGuard:
    """Notes SIGINT and SIGTERM inside a `with` block; a second Ctrl-C interrupts at once.

    Examples
    --------
    >>> with InterruptGuard() as guard:
    ...     guard.requested
    False
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> InterruptGuard:
        # Python lets only the main thread set handlers; elsewhere Ctrl-C keeps its usual meaning.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def ignore_termination(self) -> None:
        """Ignore SIGTERM from now on: this process ends by itself, after it has said why."""
        self._previous.pop(signal.SIGTERM, None)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.requested:
            raise KeyboardInterrupt
        self.requested = True
