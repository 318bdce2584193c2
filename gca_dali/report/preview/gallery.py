"""Policies side by side on the same images, as one picture: a row each, an image a column.

Enters: a `Preview` of each policy, of the same images. Leaves: a Pillow image.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from gca_dali.report.preview.layout import CAPTION_PX, GAP_PX, MARGIN_PX, Grid, fitting_width
from gca_dali.report.preview.paint import LEADING_PX, PRINT_PX, cut, font, wrap
from gca_dali.report.preview.panels import draw_image, draw_map, draw_views, draw_windows
from gca_dali.report.preview.png import draw_key_of_heat, draw_key_of_lesions, write_title
from gca_dali.report.preview.style import BACKGROUND, FAINT, PANEL, TEXT, explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gca_dali.report.preview.sample import Preview

STRIP_PX = 200  # height of an image in a row
LABEL_PX, KEY_PX, COLUMN_GAP_PX, ROW_GAP_PX = 190, 60, 36, 22
TOP_PX, FOOTER_PX = 90, 44


def draw_gallery(previews: Sequence[Preview], title: str, subtitle: str) -> Image.Image:
    """Draw what several policies do to the same images.

    Parameters
    ----------
    previews : sequence of Preview
        One per policy; title and subtitle of each stand at the left of its row.
    title, subtitle : str

    Returns
    -------
    PIL.Image.Image
        RGB.
    """
    grids = [make_grid(preview) for preview in previews]
    column = max(grid.inner_width for grid in grids)
    samples = previews[0].samples
    lefts = [MARGIN_PX + LABEL_PX + n * (column + COLUMN_GAP_PX) for n in range(len(samples))]
    heights = [_row_height(*pair) for pair in zip(previews, grids, strict=True)]
    body = TOP_PX + STRIP_PX + CAPTION_PX + ROW_GAP_PX
    width = lefts[-1] + column + MARGIN_PX
    sheet = Image.new("RGB", (width, body + sum(heights) + FOOTER_PX), BACKGROUND)
    write_title(sheet, title, subtitle)
    _write_label(sheet, TOP_PX, "image, saliency", "")
    draw_key_of_heat(sheet, MARGIN_PX + KEY_PX, TOP_PX + 28)
    if any(len(sample.lesions) for sample in samples):
        draw_key_of_lesions(sheet, MARGIN_PX + KEY_PX, TOP_PX + 28 + LEADING_PX)
    for sample, left in zip(samples, lefts, strict=True):
        # Every row begins with the image, so all grids have it at the same place.
        image = grids[0].place(left, TOP_PX)[0]
        draw_image(sheet, image, sample)
        draw_map(sheet, image._replace(left=left + image.width + GAP_PX), sample)
    top = body
    for preview, grid, height in zip(previews, grids, heights, strict=True):
        line = (MARGIN_PX, top - ROW_GAP_PX // 2, width - MARGIN_PX, top - ROW_GAP_PX // 2)
        ImageDraw.Draw(sheet).line(line, PANEL)
        _write_label(sheet, top, preview.title, preview.subtitle)
        for sample, left in zip(preview.samples, lefts, strict=True):
            windows, *views = grid.place(left, top)
            draw_windows(sheet, windows, sample, grid.num_first)
            draw_views(sheet, views, sample, grid.num_first)
        top += height
    shown = tuple(sample for preview in previews for sample in preview.samples)
    footer = cut(explain(replace(previews[0], samples=shown)), width - 2 * MARGIN_PX)
    ImageDraw.Draw(sheet).text((MARGIN_PX, top + 4), footer, FAINT, font(PRINT_PX))
    return sheet


def make_grid(preview: Preview) -> Grid:
    """Return the panels of a row: the image with the windows, and the views."""
    samples = preview.samples
    width = max(fitting_width(sample.image.shape, STRIP_PX) for sample in samples)
    sizes = tuple(len(view) for view in samples[0].views)
    return Grid(width, sizes, preview.groups, num_panels=1, panel_px=STRIP_PX)


def _row_height(preview: Preview, grid: Grid) -> int:
    words = LEADING_PX * len(wrap(preview.subtitle, LABEL_PX - GAP_PX)) + CAPTION_PX
    return max(grid.height, words) + ROW_GAP_PX


def _write_label(sheet: Image.Image, top: int, name: str, told: str) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN_PX, top), name, TEXT, font(18))
    for number, line in enumerate(wrap(told, LABEL_PX - GAP_PX)):
        draw.text((MARGIN_PX, top + 28 + LEADING_PX * number), line, FAINT, font(PRINT_PX))
