"""``gca-dali index``: find images, read their headers, name what is refused, save a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

from gca_dali.cli.common import OutsideOption, Report, command, make_app

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gca_dali.data.manifest import Manifest

MAX_SHOWN = 20

app = make_app()


@command(app)
def index(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A folder, CSV or manifest.")],
    labels: Annotated[
        Path | None, typer.Option(help="CSV with labels for the images of a folder.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to save the manifest (.parquet).")] = None,
    voi: Annotated[
        str,
        typer.Option(help="Contrast of DICOM: auto, window, window:1, lut, full or percentile."),
    ] = "auto",
    frames: Annotated[
        Literal["first", "all"], typer.Option(help="Of DICOM files: a row for one or for each.")
    ] = "first",
    with_patient: Annotated[
        bool, typer.Option("--with-patient", help="Keep the patient identifier of DICOM files.")
    ] = False,
    allow_outside: OutsideOption = False,
) -> Report:
    """Read headers into a manifest and name every file that is refused."""
    from gca_dali.data.manifest import Manifest
    from gca_dali.image.voi import DicomOptions

    chosen = DicomOptions(voi, frames, with_patient)
    # Of what is indexed already, nothing is asked unless an option says so.
    dicom = None if chosen == DicomOptions() else chosen
    if labels is None:
        manifest = Manifest.open(source, progress=True, dicom=dicom, allow_outside=allow_outside)
    else:
        manifest = Manifest.from_folder(
            source, labels=labels, progress=True, dicom=dicom, allow_outside=allow_outside
        )
    if out is not None:
        manifest.save(out)
    refused = [{"path": item.path, "reason": item.reason} for item in manifest.refused]
    return Report({"rows": len(manifest), "refused": refused}, _show(manifest, out))


def _show(manifest: Manifest, out: Path | None) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_row("images", f"{len(manifest):,} in {manifest.root}")
    facts.add_row("height", _span(manifest.height))
    facts.add_row("width", _span(manifest.width))
    facts.add_row("bits", _counts(manifest.bits))
    facts.add_row("formats", _counts(manifest.format))
    facts.add_row("labels", _counts(_names(manifest)))
    num_patients = len(np.unique(manifest.patient[manifest.patient != ""]))
    facts.add_row("patients", f"{num_patients:,}" if num_patients else "unknown")
    facts.add_row("columns", ", ".join(manifest.columns) or "none")
    facts.add_row("refused", f"{len(manifest.refused):,}")
    if out is not None:
        facts.add_row("saved", str(out))
    if not manifest.refused:
        return facts
    table = Table("refused", "reason")
    for item in manifest.refused[:MAX_SHOWN]:
        table.add_row(Text(item.path), Text(item.reason))
    num_more = len(manifest.refused) - MAX_SHOWN
    more = [f"and {num_more:,} more: --json names them all"] if num_more > 0 else []
    return Group(facts, table, *more)


def _span(values: np.ndarray) -> str:
    low, middle, high = np.percentile(values, (0, 50, 100), method="nearest")
    return f"{low} px" if low == high else f"{low} to {high} px, median {middle}"


def _names(manifest: Manifest) -> np.ndarray:
    if not manifest.classes:
        return np.array(["none"] * len(manifest))
    return np.array([*manifest.classes, "none"])[manifest.label]


def _counts(values: np.ndarray) -> str:
    names, counts = np.unique(values, return_counts=True)
    told = [f"{name}: {count:,}" for name, count in zip(names, counts, strict=True)]
    return ", ".join(told[:MAX_SHOWN]) + (", …" if len(told) > MAX_SHOWN else "")
