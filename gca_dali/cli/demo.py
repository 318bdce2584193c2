"""``gca-dali demo``: the whole chain on bundled phantoms, no files needed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gca_dali.cli.common import Report, command, make_app

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gca_dali.report.demo import DemoResult

app = make_app()


@command(app)
def demo(
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the phantoms, and write preview.png there."),
    ] = None,
) -> Report:
    """Make phantoms, fit a gaze predictor, train a few steps on views, draw preview.png."""
    from gca_dali.report.demo import run_demo

    with _phantom_folder(out) as phantoms:
        done = run_demo(out or Path(), phantoms)
    gca, random = done.audits["gca"], done.audits["random"]
    result = {
        "preview": done.preview,
        "phantoms": None if out is None else out / "phantoms",
        "images": done.num_images,
        "saliency": done.saliency,
        "predictor": {"seconds": done.fit_seconds, "cc": done.predicted_cc},
        "device": done.device,
        "images_per_second": done.images_per_second,
        "kept_mass": done.kept_mass,
        "lesions_kept": {"gca": gca.kept, "random": random.kept},
        "pairs_share": {"gca": gca.pairs_share, "random": random.pairs_share},
        "mean_area": {"gca": gca.mean_area, "random": random.mean_area},
        "loss": {"first": done.first_loss, "last": done.last_loss, "steps": done.num_steps},
        "seconds": done.seconds,
    }
    return Report(result, _show(done))


@contextlib.contextmanager
def _phantom_folder(out: Path | None) -> Iterator[Path]:
    """Give a folder for the phantoms: below DIR, or one that vanishes."""
    if out is not None:
        yield out / "phantoms"
        return
    with tempfile.TemporaryDirectory(prefix="gca_dali_") as folder:
        yield Path(folder)


def _show(done: DemoResult) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    gca, random = done.audits["gca"], done.audits["random"]
    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_row("images", f"{done.num_images} phantoms of knees and chests")
    facts.add_row("saliency", Text(done.saliency))
    facts.add_row(
        "predictor",
        f"fitted in {done.fit_seconds:.0f} s; its maps correlate with the simulated reader's at "
        f"{done.predicted_cc:.2f}",
    )
    facts.add_row(
        "loader", f"{done.images_per_second:,.0f} images/s on {done.device}, two views each"
    )
    facts.add_row("mass kept", f"{done.kept_mass:.1%} of the saliency in a window, on average")
    facts.add_row(
        "lesions kept",
        f"{gca.kept:.1%} by gca, {random.kept:.1%} by random crops (simulated gaze; windows of "
        f"{gca.mean_area:.0%} and {random.mean_area:.0%} of the image)",
    )
    facts.add_row(
        "lesion shared",
        f"by {gca.pairs_share:.1%} of the pairs of gca, {random.pairs_share:.1%} of random crops",
    )
    facts.add_row(
        "SimCLR",
        f"loss {done.first_loss:.2f}, after {done.num_steps} steps {done.last_loss:.2f}",
    )
    facts.add_row("took", f"{done.seconds:.0f} s")
    facts.add_row("look at", Text(str(done.preview), style="bold"))
    return facts
