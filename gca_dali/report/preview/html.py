"""A preview as one HTML file without links: pictures are data URIs, windows are SVG.

Enters: a `Preview`. Leaves: the page as text. Pointing at a view lights up its window.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gca_dali.report.preview.style import (
    BACKGROUND,
    FAINT,
    FOCUS,
    LESION,
    PANEL,
    TEXT,
    describe_image,
    describe_view,
    explain,
    heat,
    view_colour,
)

if TYPE_CHECKING:
    from gca_dali.report.preview.sample import Preview, Sample

MOST_PX = 720
RING_SHARE = 45  # the image's longer side over the radius of the ring about the focus

# In the elements themselves: not every viewer applies a page's style to the SVG in it.
_OUTLINE = 'fill="none" stroke-linejoin="round" vector-effect="non-scaling-stroke"'

_STYLE = f"""
body {{ margin: 0 auto; max-width: 1500px; padding: 28px; background: {BACKGROUND}; color: {TEXT};
  font: 14px/1.45 system-ui, sans-serif; }}
h1 {{ font-size: 24px; font-weight: 600; margin: 0 0 4px; }}
p, small {{ color: {FAINT}; margin: 0 0 20px; }}
section {{ display: grid; gap: 14px; margin-bottom: 28px;
  grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); align-items: start; }}
figure {{ margin: 0; }}
figcaption {{ margin-top: 6px; }}
figcaption small {{ display: block; margin: 0; }}
figcaption i {{ display: inline-block; width: 10px; height: 10px; margin-right: 6px; }}
img, svg {{ display: block; width: 100%; height: auto; background: {PANEL}; }}
section.below {{ grid-template-columns: repeat(auto-fit, minmax(96px, 1fr)); margin-top: -14px; }}
.below figure {{ max-width: 180px; }}
.view img {{ box-sizing: border-box; border: 3px solid; }}
"""


def write_page(preview: Preview) -> str:
    """Write the page.

    Parameters
    ----------
    preview : Preview

    Returns
    -------
    str
        A whole HTML document.
    """
    title, subtitle = escape(preview.title), escape(preview.subtitle)
    rows = "\n".join(_row(sample, preview.groups) for sample in preview.samples)
    light = "\n".join(
        f".row:has(.view{v}:hover) .window{v} {{ stroke-width: 8px; }}"
        for v in range(preview.num_views)
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>'
        f"\n<style>{_STYLE}{light}\n</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"<p>{subtitle}</p>\n{rows}\n<p>{escape(explain(preview))}</p>\n</body>\n</html>\n"
    )


def _row(sample: Sample, groups: tuple[slice, ...]) -> str:
    image = _shrink(sample.image)
    colours, cover = heat(sample.saliency / 255.0)
    tinted = np.dstack([colours, 255.0 * cover])
    attended = Image.fromarray(np.rint(tinted).astype(np.uint8), "RGBA")
    height, width = sample.image.shape
    fill = f'width="{width}" height="{height}" preserveAspectRatio="none"'
    backdrop, hot = (f'<image href="{_uri(picture)}" {fill}/>' for picture in (image, attended))
    boxes = "".join(
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" '
        f'stroke="{LESION}" stroke-width="1.5" {_OUTLINE}/>'
        for y, x, h, w in sample.lesions
    )
    windows = "".join(
        f'<polygon class="window{v}" stroke="{view_colour(v)}" stroke-width="3" '
        f'points="{_points(corners)}" {_OUTLINE}/>'
        for v, corners in enumerate(sample.corners)
    )
    ring = ""
    if sample.focus is not None:
        y, x = sample.focus
        ring = (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{max(width, height) / RING_SHARE:.1f}" '
            f'stroke="{FOCUS}" stroke-width="2" {_OUTLINE}/>'
        )
    frame = f'<svg viewBox="0 0 {width} {height}">'
    name, size = describe_image(sample)
    outlined = ("white: lesions",) if boxes else ()
    first = _caption((name, ", ".join((size, *outlined))))
    second = _caption(("saliency and windows", ""))
    figures = [
        f"<figure>{frame}{backdrop}{boxes}</svg>{first}</figure>",
        f"<figure>{frame}{backdrop}{hot}{windows}{ring}</svg>{second}</figure>",
    ]
    first, *others = groups
    figures += [_figure(sample, v) for v in range(first.start, first.stop)]
    below = "".join(
        f'<section class="below">{"".join(_figure(sample, v) for v in range(g.start, g.stop))}'
        "</section>"
        for g in others
    )
    return f'<div class="row"><section>{"".join(figures)}</section>{below}</div>'


def _figure(sample: Sample, view: int) -> str:
    colour = view_colour(view)
    held, done = describe_view(sample.facts[view])
    swatch = f'<i style="background:{colour}"></i>'
    return (
        f'<figure class="view view{view}"><img alt="view {view + 1}" style="border-color:{colour}" '
        f'src="{_uri(Image.fromarray(sample.views[view]))}">'
        f"{_caption((f'view {view + 1}: {held}', done), swatch)}</figure>"
    )


def _caption(lines: tuple[str, str], swatch: str = "") -> str:
    first, second = map(escape, lines)
    return f"<figcaption>{swatch}{first}<small>{second}</small></figcaption>"


def _points(corners: np.ndarray) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for y, x in corners)


def _shrink(image: np.ndarray) -> Image.Image:
    """Return an image of at most 720 pixels a side."""
    picture = Image.fromarray(image)
    picture.thumbnail((MOST_PX, MOST_PX), Image.Resampling.LANCZOS)
    return picture


def _uri(picture: Image.Image) -> str:
    """Return a picture as a data URI: PNG, as views are shown to the bit."""
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
