"""A progress bar that appears only where something takes longer than a second."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

DELAY_SECONDS = 1.0

Item = TypeVar("Item")
_hidden: ContextVar[bool] = ContextVar("hidden", default=False)


@contextmanager
def without_bars(wanted: bool = True) -> Iterator[None]:
    """Show no bar inside a `with` block."""
    before = _hidden.set(wanted)
    try:
        yield
    finally:
        _hidden.reset(before)


def are_bars_hidden() -> bool:
    """Tell whether a `without_bars` is around."""
    return _hidden.get()


def track(items: Iterable[Item], num_items: int, what: str, rate: str = "") -> Iterator[Item]:
    """Hand on the items and show on stderr how many are done, from the first second on.

    Parameters
    ----------
    items : iterable
        What is worked through.
    num_items : int
        How many there will be.
    what : str
        What is done, a few words.
    rate : str
        Unit of a rate to show, such as "images/s"; "" for none.

    Yields
    ------
    object
        The items, unchanged.
    """
    bar, task = None, None
    start_seconds = time.monotonic()
    try:
        for num_done, item in enumerate(items, start=1):
            yield item
            is_late = time.monotonic() - start_seconds > DELAY_SECONDS
            if bar is None and is_late and not are_bars_hidden():
                bar = _make_bar(rate)
                bar.start()
                task = bar.add_task(what, total=num_items)
            if bar is not None and task is not None:
                bar.update(task, completed=num_done)
    finally:
        if bar is not None:
            bar.stop()


def _make_bar(rate: str):
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        """Items per second."""

        def render(self, task) -> Text:
            return Text(f"{task.speed:.1f} {rate}" if task.speed and rate else "")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
