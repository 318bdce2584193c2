"""A preview → a file, whose name says which kind; several of the same images → a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gca_dali.report.preview.gallery import draw_gallery
from gca_dali.report.preview.html import write_page
from gca_dali.report.preview.png import draw_sheet
from gca_dali.report.preview.sample import Preview


def check_name(out: Path, with_html: bool = True) -> None:
    """Refuse a file name that is neither PNG nor, where there is one, HTML."""
    suffixes = (".png", ".html") if with_html else (".png",)
    if out.suffix.lower() not in suffixes:
        raise ValueError(f"out must end in {' or '.join(suffixes)}, got {out}. Rename it.")


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


def save_gallery(previews: Sequence[Preview], out: Path, title: str, subtitle: str) -> None:
    """Write a gallery of policies, a preview each, as a `.png`.

    Raises
    ------
    ValueError
        If the name ends otherwise.
    """
    check_name(out, with_html=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    draw_gallery(previews, title, subtitle).save(out, optimize=True)
