"""``gca-dali preview``: image, saliency, windows and views side by side; or several policies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gca_dali.cli.common import Report, SourceOptions, ViewOptions, command, make_app
from gca_dali.cli.policy_option import build_policy

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gca_dali.report.preview.sample import Preview

app = make_app()
NUM_IMAGES, NUM_COLUMNS = 4, 2


@command(app, "--policies")
def preview(
    source: SourceOptions,
    views: ViewOptions,
    policies: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE", help="Several, compared on the same images, as a .png."),
    ] = None,
    out: Annotated[Path, typer.Option(help="A .png, or a self-contained .html.")] = Path(
        "preview.png"
    ),
    num_images: Annotated[
        int | None,
        typer.Option(
            help="Images to show, spread over the rows.",
            show_default=f"{NUM_IMAGES}, or {NUM_COLUMNS} with --policies",
        ),
    ] = None,
) -> Report:
    """Draw what a policy does to a few images, or what several do to the same ones."""
    from gca_dali.cli.saliency_option import choose_saliency
    from gca_dali.gaze.boxes import read_boxes_csv
    from gca_dali.report.preview.make import PreviewMaker
    from gca_dali.report.preview.save import check_name, save_gallery, save_preview
    from gca_dali.report.preview.style import describe_policy, describe_preset
    from gca_dali.steps.saliency import load_saliency

    check_name(out, with_html=not policies)
    made = {name: build_policy(name, views.set, views.size) for name in policies or [views.policy]}
    manifest = source.open()
    boxes = None if views.boxes is None else read_boxes_csv(views.boxes, manifest)
    chosen = choose_saliency(views.saliency, boxes, manifest)
    # One table for all policies: a map is read, or predicted, once.
    table = None if chosen.source is None else load_saliency(chosen.source, manifest, keep=False)
    if num_images is None:
        num_images = NUM_COLUMNS if policies else NUM_IMAGES
    changes = "".join(f" {setting}" for setting in views.set or [])
    shown: list[Preview] = []
    for name, policy in made.items():
        maker = PreviewMaker(manifest, policy, table, boxes, views.seed)
        if policies:
            words = Path(name).name, describe_preset(name, policy)
        else:
            words = f"policy {Path(name).name}{changes}", describe_policy(policy, chosen.told)
        shown.append(maker.make(num_images, *words))
    if policies:
        save_gallery(shown, out, f"policies on the same images{changes}", chosen.told)
    else:
        save_preview(shown[0], out)
    first = shown[0]
    result = {
        "out": str(out),
        "images": [sample.path for sample in first.samples],
        "refused": [{"path": item.path, "reason": item.reason} for item in first.refused],
    }
    if policies:
        result["policies"] = list(made)
    return Report(result, _show(shown, out))


def _show(shown: list[Preview], out: Path) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    first, *others = shown
    done = f"{len(shown)} policies" if others else f"{first.num_views} views each"
    lines = [f"{len(first.samples)} images with {done} in {out}"]
    lines += [f"could not read {item.path}: {item.reason}" for item in first.refused]
    return Group(*map(Text, lines))
