"""``gca-dali probe``: what the features of a checkpoint are worth, at fractions of the labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gca_dali.cli.common import MachineOptions, Report, SourceOptions, command, make_app

if TYPE_CHECKING:
    from rich.console import RenderableType

app = make_app()


@dataclass(frozen=True)
class ProbeOptions:
    """How the features are judged."""

    fractions: Annotated[
        list[float] | None,
        typer.Option(metavar="F ...", help="Shares of the labels; all of them by default."),
    ] = None
    mode: Annotated[
        Literal["linear", "finetune"], typer.Option(help="Frozen features, or the whole network.")
    ] = "linear"
    against: Annotated[
        str | None,
        typer.Option(metavar="CKPT", help="Compare with another checkpoint, or with untrained."),
    ] = None
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of fine-tuning.")] = 50
    seed: Annotated[int, typer.Option(min=0, help="Seed of split, subsets and bootstrap.")] = 0


@command(app, "--fractions")
def probe(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="last.safetensors of gca-dali pretrain.")
    ],
    source: SourceOptions,
    options: ProbeOptions,
    machine: MachineOptions,
) -> Report:
    """Judge a checkpoint by a linear probe or fine-tuning, with bootstrap intervals."""
    from gca_dali.ssl.probe import ProbeConfig, probe_checkpoint

    config = ProbeConfig(
        fractions=tuple(options.fractions or (1.0,)),
        mode=options.mode,
        seed=options.seed,
        device=machine.device,
        batch_size=machine.batch_size,
        num_epochs=options.epochs,
    )
    result = probe_checkpoint(checkpoint, source.open(), config, options.against)
    return Report(result, _show(result))


def _show(result: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table

    title = f"{result['mode']}, {result['num_train']:,} images to learn from"
    table = Table("labels", "accuracy", "grade MAE", "AUC", "kappa", title=title)
    against = result.get("against")
    for name, scores in result["fractions"].items():
        table.add_row(_percent(name), *_cells(scores))
        if against is not None:
            table.add_row(f"  {against['name']}", *_cells(against["fractions"][name]))
            table.add_row("  difference", *_differences(against["difference"][name]))
    notes = [f"{result['num_test']:,} test images; brackets hold 95 % bootstrap intervals"]
    if result["num_unread"]:
        notes.append(f"{result['num_unread']:,} images could not be read and are left out")
    return Group(table, *notes)


def _percent(fraction: str) -> str:
    return f"{100 * float(fraction):g} %"


def _cells(scores: dict[str, Any]) -> list[str]:
    names = ("accuracy", "mae", "auc", "kappa")
    return [_with_interval(scores[name], scores[f"{name}_ci95"]) for name in names]


def _differences(comparison: dict[str, Any]) -> list[str]:
    items = (comparison[name] for name in ("accuracy", "mae", "auc", "kappa"))
    return [_with_interval(item["difference"], item["ci95"], "+") for item in items]


def _with_interval(value: float, interval: list[float], sign: str = "") -> str:
    low, high = interval
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"
