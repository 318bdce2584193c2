"""``gca-dali audit``: how often the windows of each policy keep the lesions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gca_dali.cli.common import Report, SourceOptions, command, make_app

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gca_dali.report.audit import Audit

app = make_app()


@command(app, "--policies")
def audit(
    source: SourceOptions,
    boxes: Annotated[Path, typer.Option(help="CSV with path,x,y,w,h of the lesions.")],
    policies: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Presets of ViewPolicy; all of them by default."),
    ] = None,
    saliency: Annotated[
        str,
        typer.Option(
            help="boxes (simulated gaze), centre, mean, a folder of maps, or a predictor."
        ),
    ] = "boxes",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the windows.")] = 0,
) -> Report:
    """Count how often the windows of each policy keep the lesions."""
    from gca_dali.cli.saliency_option import choose_saliency
    from gca_dali.gaze.boxes import read_boxes_csv
    from gca_dali.policy.view_policy import PRESETS, ViewPolicy
    from gca_dali.report.audit import audit_policies

    if saliency == "none":
        raise typer.BadParameter("--saliency must be boxes, centre, mean or a folder, got none.")
    presets = {name: ViewPolicy.preset(name) for name in policies or PRESETS}
    manifest = source.open()
    read = read_boxes_csv(boxes, manifest)
    chosen = choose_saliency(saliency, read, manifest)
    found = audit_policies(manifest, read, chosen.source, presets, seed)
    result = {
        "policies": {name: asdict(counted) for name, counted in found.policies.items()},
        "images": found.num_images,
        "lesions": found.num_lesions,
    }
    return Report(result, _show(found, chosen.told, len(manifest)))


def _show(found: Audit, told: str, num_rows: int) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table("policy")
    for name in ("lesions kept", "mean area", "below tau", "pair IoU"):
        table.add_column(name, justify="right")
    for name, counted in found.policies.items():
        table.add_row(name, *(f"{value:.3f}" for value in asdict(counted).values()))
    notes = [
        f"saliency: {told}",
        f"{found.num_lesions:,} lesions in {found.num_images:,} images, {found.num_draws} draws of "
        f"2 views each; {num_rows - found.num_images:,} images without a lesion are left out",
        "a lesion is kept where at least 90 % of its box is in the window",
    ]
    return Group(table, *map(Text, notes))
