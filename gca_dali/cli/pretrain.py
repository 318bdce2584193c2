"""``gca-dali pretrain``: SSL pre-training on the loader, also under ``torchrun``."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gca_dali.cli.common import (
    MachineOptions,
    Report,
    SourceOptions,
    ViewOptions,
    command,
    make_app,
)
from gca_dali.common.progress import are_bars_hidden

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gca_dali.loader import GCALoader
    from gca_dali.ssl.config import PretrainConfig
    from gca_dali.ssl.pretrain import OnStep, PretrainResult

app = make_app()


@dataclass(frozen=True)
class TrainingOptions:
    """What is trained, and how long."""

    method: Annotated[Literal["simclr", "moco", "byol"], typer.Option(help="How it is trained.")]
    preset: Annotated[
        Literal["small", "published"], typer.Option(help="Settings for small data, or the paper's.")
    ] = "small"
    encoder: Annotated[
        Literal["resnet18", "resnet34", "resnet50", "vit_small"], typer.Option(help="The network.")
    ] = "resnet18"
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images.")] = 100
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="auto: bfloat16 where a GPU can.")
    ] = "auto"
    compile: Annotated[bool, typer.Option("--compile", help="Compile the network.")] = False
    out: Annotated[Path, typer.Option(help="Folder for last.safetensors and logs.")] = Path(
        "pretrain"
    )
    resume: Annotated[bool, typer.Option("--resume", help="Go on from --out.")] = False


@command(app)
def pretrain(
    source: SourceOptions, training: TrainingOptions, view: ViewOptions, machine: MachineOptions
) -> Report | None:
    """Pre-train an encoder; --batch-size counts the images of all processes together."""
    from gca_dali.ssl import pretrain as training_loop
    from gca_dali.ssl.processes import Processes

    processes = Processes.from_environment()
    processes.claim_gpu()
    checkpoint = training.out / training_loop.CHECKPOINT_NAME
    if not training.resume and checkpoint.exists():
        raise FileExistsError(
            f"out must hold no checkpoint, got {checkpoint}. Go on with --resume, or choose "
            "another --out."
        )
    logging.getLogger("lightning").setLevel(logging.WARNING)
    loader = _make_loader(source, view, machine, processes.share_of(machine.batch_size))
    config = _make_config(training, view, machine, loader)
    with _show_progress(processes.rank == 0) as on_step:
        result = training_loop.pretrain(
            loader, config, training.out, checkpoint if training.resume else None, on_step
        )
    if processes.rank > 0:
        return None
    if result.interrupted:
        print(
            f"gca-dali: saved {result.checkpoint} at step {result.num_steps}; --resume goes on",
            file=sys.stderr,
        )
        raise KeyboardInterrupt
    return Report(_tell(result), _show(result))


def _make_loader(
    source: SourceOptions, view: ViewOptions, machine: MachineOptions, batch_size: int
) -> GCALoader:
    from gca_dali.cli.saliency_option import choose_saliency
    from gca_dali.gaze.boxes import read_boxes_csv
    from gca_dali.loader import GCALoader
    from gca_dali.ssl.processes import Processes

    processes = Processes.from_environment()
    manifest = source.open()
    boxes = None if view.boxes is None else read_boxes_csv(view.boxes, manifest)
    return GCALoader(
        manifest,
        view.make_policy(),
        choose_saliency(view.saliency, boxes, manifest).source,
        batch_size=batch_size,
        device=machine.device,
        seed=view.seed,
        rank=processes.rank,
        world_size=processes.world_size,
    )


def _make_config(
    training: TrainingOptions, view: ViewOptions, machine: MachineOptions, loader: GCALoader
) -> PretrainConfig:
    from gca_dali.ssl.config import PretrainConfig
    from gca_dali.ssl.encoders import EncoderConfig

    return PretrainConfig(
        method=training.method,
        preset=training.preset,
        encoder=EncoderConfig.for_policy(training.encoder, loader.policy),
        num_epochs=training.epochs,
        seed=view.seed,
        device=machine.device,
        precision=training.precision,
        compile=training.compile,
    )


@contextlib.contextmanager
def _show_progress(wanted: bool) -> Iterator[OnStep | None]:
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
            bar.update(task, completed=num_done, total=num_steps, numbers=_tell_numbers(numbers))

        yield on_step


def _tell_numbers(numbers: dict[str, float]) -> str:
    if not numbers:
        return ""
    return (
        f"loss {numbers['loss']:.3f}, {numbers['images_per_second']:.0f} images/s, "
        f"waiting {numbers['waiting_share']:.0%}"
    )


def _tell(result: PretrainResult) -> dict:
    return {
        "checkpoint": result.checkpoint,
        "epochs": result.num_epochs,
        "steps": result.num_steps,
        **result.numbers,
    }


def _show(result: PretrainResult) -> RenderableType:
    from rich.table import Table

    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_row("checkpoint", str(result.checkpoint))
    facts.add_row("epochs", f"{result.num_epochs:,} ({result.num_steps:,} steps)")
    for name in ("loss", "feature_std", "images_per_second", "waiting_share"):
        if name in result.numbers:
            facts.add_row(name.replace("_", " "), f"{result.numbers[name]:.4g}")
    facts.add_row("next", f"gca-dali probe {result.checkpoint} MANIFEST")
    return facts
