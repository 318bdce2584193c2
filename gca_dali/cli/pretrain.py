"""``gca-dali pretrain``: SSL pre-training on the loader, also under ``torchrun``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
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
from gca_dali.cli.pretrain_shown import show_progress, show_result, tell_result

if TYPE_CHECKING:
    from torch import nn

    from gca_dali.cli.saliency_option import ChosenSaliency
    from gca_dali.data.manifest import Manifest
    from gca_dali.gaze.boxes import ImageBoxes
    from gca_dali.loader import GCALoader
    from gca_dali.policy.view_policy import ViewPolicy
    from gca_dali.ssl.config import PretrainConfig
    from gca_dali.ssl.processes import Processes

_NUM_DRAWN = 4

app = make_app()


@dataclass(frozen=True)
class TrainingOptions:
    """What is trained, and how long."""

    method: Annotated[
        Literal["simclr", "moco", "byol", "vicreg", "dino"],
        typer.Option(help="How it is trained; dino wants a policy with local views."),
    ]
    preset: Annotated[
        Literal["small", "published"], typer.Option(help="Settings for small data, or the paper's.")
    ] = "small"
    encoder: Annotated[
        str, typer.Option(metavar="NAME", help="Any of timm's: resnet50, vit_small, convnext_tiny.")
    ] = "resnet18"
    init: Annotated[
        str | None,
        typer.Option(metavar="WEIGHTS", help="Start from a checkpoint, timm's names or imagenet."),
    ] = None
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images.")] = 100
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="auto: bfloat16 where a GPU can.")
    ] = "auto"
    compile: Annotated[bool, typer.Option("--compile", help="Compile the network.")] = False
    watch: Annotated[
        Literal["labels"] | None,
        typer.Option(help="Tell every few epochs what the nearest neighbours know of the labels."),
    ] = None
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
    from gca_dali.ssl.run_folder import draw_curve

    processes = Processes.from_environment()
    processes.claim_gpu()
    checkpoint = training.out / training_loop.CHECKPOINT_NAME
    if not training.resume and checkpoint.exists():
        raise FileExistsError(
            f"out must hold no checkpoint, got {checkpoint}. Go on with --resume, or choose "
            "another --out."
        )
    logging.getLogger("lightning").setLevel(logging.WARNING)
    data = _Data.open(source, view)
    loader = data.load(machine, processes)
    config = _make_config(training, view, machine, loader)
    if processes.rank == 0 and not training.resume:
        data.draw(training.out / "preview.png")
    with show_progress(processes.rank == 0) as on_step:
        result = training_loop.pretrain(
            loader,
            config,
            training.out,
            checkpoint if training.resume else None,
            on_step,
            _make_watch(training, loader, config),
        )
    if processes.rank > 0:
        return None
    draw_curve(training.out)
    if result.interrupted:
        print(
            f"gca-dali: saved {result.checkpoint} at step {result.num_steps}; --resume goes on",
            file=sys.stderr,
        )
        raise KeyboardInterrupt
    return Report(tell_result(result), show_result(result))


@dataclass(frozen=True)
class _Data:
    """What the views are made from."""

    manifest: Manifest
    policy: ViewPolicy
    boxes: list[ImageBoxes] | None
    saliency: ChosenSaliency
    seed: int

    @classmethod
    def open(cls, source: SourceOptions, view: ViewOptions) -> _Data:
        from gca_dali.cli.saliency_option import choose_saliency
        from gca_dali.gaze.boxes import read_boxes_csv

        manifest = source.open()
        boxes = None if view.boxes is None else read_boxes_csv(view.boxes, manifest)
        chosen = choose_saliency(view.saliency, boxes, manifest)
        return cls(manifest, view.make_policy(), boxes, chosen, view.seed)

    def load(self, machine: MachineOptions, processes: Processes) -> GCALoader:
        """Return this process's share of the batches."""
        from gca_dali.loader import GCALoader

        return GCALoader(
            self.manifest,
            self.policy,
            self.saliency.source,
            batch_size=processes.share_of(machine.batch_size),
            device=machine.device,
            seed=self.seed,
            rank=processes.rank,
            world_size=processes.world_size,
        )

    def draw(self, out: Path) -> None:
        """Draw the views of the first epoch of a few images."""
        from gca_dali.report.preview.make import PreviewMaker
        from gca_dali.report.preview.save import save_preview
        from gca_dali.report.preview.style import describe_policy

        maker = PreviewMaker(
            self.manifest, self.policy, self.saliency.source, self.boxes, self.seed
        )
        told = describe_policy(self.policy, self.saliency.told)
        num_images = min(len(self.manifest), _NUM_DRAWN)
        save_preview(maker.make(num_images, "what was trained on", told), out)


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
        init=None if training.resume else training.init,
    )


def _make_watch(
    training: TrainingOptions, loader: GCALoader, config: PretrainConfig
) -> Callable[[nn.Module], dict[str, float]] | None:
    if training.watch is None:
        return None
    from gca_dali.ssl.watch import LabelWatch

    return LabelWatch(loader.manifest, config.encoder, config.device, config.seed).look
