"""``gca-dali preview``: image, saliency, windows and views side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gca_dali.cli.common import Report, SourceOptions, ViewOptions, command, make_app

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gca_dali.report.preview.sample import Preview

app = make_app()


@command(app)
def preview(
    source: SourceOptions,
    views: ViewOptions,
    out: Annotated[Path, typer.Option(help="A .png, or a self-contained .html.")] = Path(
        "preview.png"
    ),
    num_images: Annotated[int, typer.Option(help="Images to show, spread over the rows.")] = 4,
) -> Report:
    """Draw what a policy does to a few images; --set num_views=4 draws more of each."""
    from gca_dali.cli.saliency_option import choose_saliency
    from gca_dali.gaze.boxes import read_boxes_csv
    from gca_dali.report.preview.make import PreviewMaker
    from gca_dali.report.preview.save import check_name, save_preview
    from gca_dali.report.preview.style import describe_policy

    check_name(out)
    policy = views.make_policy()
    manifest = source.open()
    boxes = None if views.boxes is None else read_boxes_csv(views.boxes, manifest)
    chosen = choose_saliency(views.saliency, boxes, manifest)
    maker = PreviewMaker(manifest, policy, chosen.source, boxes, views.seed)
    title = " ".join(("policy", Path(views.policy).name, *(views.set or [])))
    made = maker.make(num_images, title, describe_policy(policy, chosen.told))
    save_preview(made, out)
    result = {
        "out": str(out),
        "images": [sample.path for sample in made.samples],
        "refused": [{"path": item.path, "reason": item.reason} for item in made.refused],
    }
    return Report(result, _show(made, out))


def _show(made: Preview, out: Path) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    lines = [f"{len(made.samples)} images with {made.num_views} views each in {out}"]
    lines += [f"could not read {item.path}: {item.reason}" for item in made.refused]
    return Group(*map(Text, lines))
