"""``gca-dali audit``: how often the windows of each policy keep the lesions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gca_dali.cli.common import Report, SourceOptions, command, make_app
from gca_dali.cli.policy_option import SetOption, build_policy

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gca_dali.report.audit import Audit

app = make_app()


@command(app, "--policies", "--policy")
def audit(
    source: SourceOptions,
    boxes: Annotated[Path, typer.Option(help="CSV with path,x,y,w,h of the lesions.")],
    policies: Annotated[
        list[str] | None,
        typer.Option(
            "--policies",
            "--policy",
            metavar="NAME|FILE",
            help="Presets of ViewPolicy, .toml or .json files; all presets by default.",
        ),
    ] = None,
    set: SetOption = None,
    saliency: Annotated[
        str,
        typer.Option(
            help="boxes (simulated gaze) or mean (of --boxes), centre, a folder of maps, "
            "mean:FOLDER, a predictor file, knee, or stored (in a store)."
        ),
    ] = "boxes",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the windows.")] = 0,
) -> Report:
    """Count how often the windows of each policy keep the lesions."""
    from gca_dali.cli.saliency_option import choose_saliency
    from gca_dali.gaze.boxes import read_boxes_csv
    from gca_dali.policy.view_policy import PRESETS
    from gca_dali.report.audit import audit_policies

    if saliency == "none":
        raise typer.BadParameter("--saliency must be boxes, centre, mean or a folder, got none.")
    made = {name: build_policy(name, set) for name in policies or PRESETS}
    manifest = source.open()
    read = read_boxes_csv(boxes, manifest)
    chosen = choose_saliency(saliency, read, manifest)
    found = audit_policies(manifest, read, chosen.source, made, seed)
    result = {
        "policies": {name: one.to_dict() for name, one in found.policies.items()},
        "images": found.num_images,
        "lesions": found.num_lesions,
    }
    return Report(result, _show(found, chosen.told, len(manifest)))


def _show(found: Audit, told: str, num_rows: int) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table("policy")
    columns = {
        "kept": "lesions kept",
        "pairs_share": "pairs share one",
        "mean_area": "mean area",
        "below_tau": "below tau",
        "mean_pair_iou": "pair IoU",
        "above_max_iou": "above max IoU",
    }
    rows = {name: one.to_dict() for name, one in found.policies.items()}
    shown = [name for name in columns if any(name in row for row in rows.values())]
    for name in shown:
        table.add_column(columns[name], justify="right")
    for name, row in rows.items():
        table.add_row(name, *(f"{row[column]:.3f}" if column in row else "" for column in shown))
    notes = [
        f"saliency: {told}",
        f"{found.num_lesions:,} lesions in {found.num_images:,} images, {found.num_draws} draws of "
        f"their views; {num_rows - found.num_images:,} images without a lesion are left out",
        "a lesion is kept where at least 90 % of its box is in the window; pairs are those of the "
        "views of an image",
    ]
    return Group(table, *map(Text, notes))
