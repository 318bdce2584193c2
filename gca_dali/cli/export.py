"""``gca-dali export``: a pre-trained encoder as a file for other programs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gca_dali.cli.common import Report, command, make_app

app = make_app()


@command(app)
def export(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="last.safetensors of gca-dali pretrain.")
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .safetensors with timm's names, or an .onnx.")
    ],
) -> Report:
    """Write the encoder alone: for timm, torchvision, lightly, plain torch, or ONNX."""
    from rich.table import Table

    from gca_dali.ssl.encoder_files import export_encoder

    config = export_encoder(checkpoint, out)
    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_row("out", str(out))
    facts.add_row("encoder", config.timm_name)
    facts.add_row("views", f"{config.num_channels} × {config.view_size_px} × {config.view_size_px}")
    facts.add_row("values", f"(x − {config.mean:g}) / {config.deviation:g}, x being 0 to 1")
    return Report({"out": out, "encoder": asdict(config)}, facts)
