"""A preview → a file, whose name says which kind."""

from __future__ import annotations

from pathlib import Path

from gca_dali.report.preview.html import write_page
from gca_dali.report.preview.png import draw_sheet
from gca_dali.report.preview.sample import Preview


def check_name(out: Path) -> None:
    """Refuse a file name that is neither PNG nor HTML."""
    if out.suffix.lower() not in (".png", ".html"):
        raise ValueError(f"out must end in .png or .html, got {out}. Rename it.")


def save_preview(preview: Preview, out: str | Path) -> None:
    """Write a `.png` or a self-contained `.html`.

    Raises
    ------
    ValueError
        If the name ends otherwise.
    """
    out = Path(out)
    check_name(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".png":
        draw_sheet(preview).save(out, optimize=True)
    else:
        out.write_text(write_page(preview), encoding="utf-8")
