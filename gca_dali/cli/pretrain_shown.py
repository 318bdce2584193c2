"""What ``gca-dali pretrain`` shows: a live line while it runs, a table when it is done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gca_dali.common.progress import are_bars_hidden

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gca_dali.ssl.pretrain import OnStep, PretrainResult


@contextlib.contextmanager
def show_progress(wanted: bool) -> Iterator[OnStep | None]:
    """Show steps, loss, images per second and waiting on stderr."""
    if not wanted or are_bars_hidden():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("steps"), BarColumn(), MofNCompleteColumn(), Remaining())
    shown = TextColumn("{task.fields[numbers]}")
    with Progress(*columns, shown, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, numbers="")

        def on_step(num_done: int, num_steps: int, numbers: dict[str, float]) -> None:
            bar.update(task, completed=num_done, total=num_steps, numbers=tell_numbers(numbers))

        yield on_step


def tell_numbers(numbers: dict[str, float]) -> str:
    """Return loss, images per second and waiting in a line, and what a watch has found."""
    if not numbers:
        return ""
    told = (
        f"loss {numbers['loss']:.3f}, {numbers['images_per_second']:.0f} images/s, "
        f"waiting {numbers['waiting_share']:.0%}"
    )
    return told + (f", k-NN {numbers['knn_accuracy']:.0%}" if "knn_accuracy" in numbers else "")


def tell_result(result: PretrainResult) -> dict:
    """Return what ``--json`` prints."""
    return {
        "checkpoint": result.checkpoint,
        "epochs": result.num_epochs,
        "steps": result.num_steps,
        **result.numbers,
    }


def show_result(result: PretrainResult) -> RenderableType:
    """Return what a person sees."""
    from rich.table import Table

    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_row("checkpoint", str(result.checkpoint))
    facts.add_row("epochs", f"{result.num_epochs:,} ({result.num_steps:,} steps)")
    for name, value in result.numbers.items():
        if name != "learning_rate":
            facts.add_row(name.replace("_", " "), f"{value:.4g}")
    facts.add_row("next", f"gca-dali probe {result.checkpoint} MANIFEST")
    return facts
