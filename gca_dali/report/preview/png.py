"""A preview as one picture, drawn with Pillow: image, map and views of each sample.

Enters: a `Preview`. Leaves: a Pillow image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from gca_dali.report.preview.layout import GAP_PX, MARGIN_PX, PANEL_PX, Grid, fitting_width
from gca_dali.report.preview.paint import PRINT_PX, cut, font
from gca_dali.report.preview.panels import draw_image, draw_views, draw_windows
from gca_dali.report.preview.style import (
    BACKGROUND,
    FAINT,
    LESION,
    TEXT,
    explain,
    heat,
    view_colour,
)

if TYPE_CHECKING:
    from gca_dali.report.preview.sample import Preview

HEADER_PX, HEADING_PX, FOOTER_PX = 82, 26, 44


def draw_sheet(preview: Preview) -> Image.Image:
    """Draw all samples of a preview.

    Parameters
    ----------
    preview : Preview

    Returns
    -------
    PIL.Image.Image
        RGB.
    """
    samples = preview.samples
    sizes = tuple(len(view) for view in samples[0].views)
    width = max(fitting_width(sample.image.shape, PANEL_PX) for sample in samples)
    grid = Grid(width, sizes, preview.groups)
    row_px = grid.height + GAP_PX
    top = HEADER_PX + HEADING_PX
    bottom = top + row_px * len(samples)
    sheet = Image.new("RGB", (grid.width, bottom + FOOTER_PX), BACKGROUND)
    write_title(sheet, preview.title, preview.subtitle)
    _draw_headings(sheet, grid, any(len(sample.lesions) for sample in samples))
    for row, sample in enumerate(samples):
        image, attended, *views = grid.place(MARGIN_PX, top + row_px * row)
        draw_image(sheet, image, sample)
        draw_windows(sheet, attended, sample, grid.num_first)
        draw_views(sheet, views, sample, grid.num_first)
    footer = cut(explain(preview), grid.inner_width)
    ImageDraw.Draw(sheet).text((MARGIN_PX, bottom + 4), footer, FAINT, font(PRINT_PX))
    return sheet


def write_title(sheet: Image.Image, title: str, subtitle: str) -> None:
    """Write what a sheet shows at its top."""
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN_PX, 18), title, TEXT, font(22))
    width = sheet.width - 2 * MARGIN_PX
    draw.text((MARGIN_PX, 49), cut(subtitle, width), FAINT, font(PRINT_PX))


def draw_key_of_lesions(sheet: Image.Image, right: int, top: int) -> None:
    """Draw what the outline of a lesion looks like, its right end here."""
    draw = ImageDraw.Draw(sheet)
    draw.text((right, top + 2), "lesion", FAINT, font(PRINT_PX), anchor="ra")
    draw.rectangle((right - 58, top + 4, right - 46, top + 14), outline=LESION)


def draw_key_of_heat(sheet: Image.Image, right: int, top: int) -> None:
    """Draw the colours of saliency from none to most, their right end here."""
    colours, cover = heat(np.linspace(0, 1, 60))
    bar = np.rint(colours * np.minimum(1.4 * cover, 1.0)[:, None]).astype(np.uint8)
    sheet.paste(Image.fromarray(np.tile(bar, (10, 1, 1))), (right - 60, top + 5))


def _draw_headings(sheet: Image.Image, grid: Grid, has_lesions: bool) -> None:
    """Name the columns, with the keys to the outlines and to the colours of saliency."""
    draw = ImageDraw.Draw(sheet)
    cells = grid.place(MARGIN_PX, 0)
    names = [("image", TEXT), ("saliency, windows", TEXT)]
    names += [(f"view {view + 1}", view_colour(view)) for view in range(len(grid.sizes))]
    for cell, (name, colour) in zip(cells, names, strict=True):
        if cell.top == 0:
            draw.text((cell.left, HEADER_PX), name, colour, font(15))
    image, attended, *_ = cells
    if has_lesions:
        draw_key_of_lesions(sheet, image.left + image.width, HEADER_PX)
    draw_key_of_heat(sheet, attended.left + attended.width, HEADER_PX)
