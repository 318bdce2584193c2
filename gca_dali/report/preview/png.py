"""A preview as one picture, drawn with Pillow: a row per image, a column per view.

Enters: a `Preview`. Leaves: a Pillow image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gca_dali.report.preview.style import (
    BACKGROUND,
    FAINT,
    LESION,
    PANEL,
    RIM,
    TEXT,
    describe_image,
    describe_view,
    explain,
    heat,
    view_colour,
)

if TYPE_CHECKING:
    from gca_dali.report.preview.sample import Preview, Sample

PANEL_PX = 256  # height of a panel
MOST_WIDTH_PX = 360
GAP_PX, MARGIN_PX = 14, 28
CAPTION_PX, HEADER_PX, HEADING_PX, FOOTER_PX = 46, 82, 26, 44
LINE_PX = 3.0
FINE = 3  # lines are drawn this much larger and shrunk: Pillow does not smooth them


@dataclass(frozen=True)
class Grid:
    """Where the columns lie: image, saliency, V views."""

    image_width: int
    num_views: int

    @property
    def widths(self) -> list[int]:
        """Width of each column in pixels."""
        return [self.image_width, self.image_width] + [PANEL_PX] * self.num_views

    @property
    def lefts(self) -> list[int]:
        """Left edge of each column in pixels."""
        return [MARGIN_PX + sum(self.widths[:i]) + GAP_PX * i for i in range(len(self.widths))]

    @property
    def width(self) -> int:
        """Width of the sheet in pixels."""
        return self.lefts[-1] + PANEL_PX + MARGIN_PX


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
    panels = [_shrink(sample.image) for sample in preview.samples]
    grid = Grid(max(panel.width for panel in panels), preview.num_views)
    row_px = PANEL_PX + CAPTION_PX + GAP_PX
    top = HEADER_PX + HEADING_PX
    bottom = top + row_px * len(panels)
    sheet = Image.new("RGB", (grid.width, bottom + FOOTER_PX), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN_PX, 18), preview.title, TEXT, _font(22))
    draw.text((MARGIN_PX, 49), _cut(preview.subtitle, grid.width - 2 * MARGIN_PX), FAINT, _font(13))
    _draw_headings(sheet, grid, any(len(sample.lesions) for sample in preview.samples))
    for row, (sample, panel) in enumerate(zip(preview.samples, panels, strict=True)):
        _draw_row(sheet, sample, panel, (top + row_px * row, grid))
    draw.text((MARGIN_PX, bottom + 4), explain(preview), FAINT, _font(13))
    return sheet


def _draw_headings(sheet: Image.Image, grid: Grid, has_lesions: bool) -> None:
    """Name the columns, with the keys to the outlines and to the colours of saliency."""
    draw = ImageDraw.Draw(sheet)
    names = ["image", "saliency, windows"]
    names += [f"view {view + 1}" for view in range(grid.num_views)]
    colours = [TEXT, TEXT, *map(view_colour, range(grid.num_views))]
    for left, name, colour in zip(grid.lefts, names, colours, strict=True):
        draw.text((left, HEADER_PX), name, colour, _font(15))
    if has_lesions:
        right = grid.lefts[0] + grid.image_width
        draw.text((right, HEADER_PX + 2), "lesion", FAINT, _font(13), anchor="ra")
        draw.rectangle((right - 58, HEADER_PX + 4, right - 46, HEADER_PX + 14), outline=LESION)
    right = grid.lefts[1] + grid.image_width
    colours, cover = heat(np.linspace(0, 1, 60))
    bar = np.rint(colours * np.minimum(1.4 * cover, 1.0)[:, None]).astype(np.uint8)
    sheet.paste(Image.fromarray(np.tile(bar, (10, 1, 1))), (right - 60, HEADER_PX + 5))


def _draw_row(
    sheet: Image.Image, sample: Sample, panel: Image.Image, place: tuple[int, Grid]
) -> None:
    top, grid = place
    draw = ImageDraw.Draw(sheet)
    colours = [view_colour(view) for view in range(grid.num_views)]
    lesions = [_corners_of_box(box) for box in sample.lesions]
    plain = _outline(panel.convert("RGB"), sample, lesions, [(LESION, 1.5)] * len(lesions))
    # A later line is thinner, so that both show where two windows share an edge.
    lines = [(colour, LINE_PX + grid.num_views - 1 - v) for v, colour in enumerate(colours)]
    attended = _outline(_lay_heat(panel, sample.saliency), sample, list(sample.corners), lines)
    for column, picture in enumerate((plain, attended)):
        left = grid.lefts[column]
        draw.rectangle((left, top, left + grid.image_width - 1, top + PANEL_PX - 1), PANEL)
        across, down = grid.image_width - picture.width, PANEL_PX - picture.height
        sheet.paste(picture, (left + across // 2, top + down // 2))
    for left, pixels, colour in zip(grid.lefts[2:], sample.views, colours, strict=True):
        picture = Image.fromarray(pixels).resize((PANEL_PX, PANEL_PX), Image.Resampling.BICUBIC)
        sheet.paste(picture, (left, top))
        edge = (left, top, left + PANEL_PX - 1, top + PANEL_PX - 1)
        draw.rectangle(edge, outline=colour, width=round(LINE_PX))
    captions = [describe_image(sample), ("", ""), *map(describe_view, sample.facts)]
    for left, width, caption in zip(grid.lefts, grid.widths, captions, strict=True):
        for line, (text, colour) in enumerate(zip(caption, (TEXT, FAINT), strict=True)):
            place_px = (left, top + PANEL_PX + 6 + 18 * line)
            draw.text(place_px, _cut(text, width), colour, _font(13))


def _shrink(image: np.ndarray) -> Image.Image:
    """Fit an image into a panel, keeping its shape."""
    height, width = image.shape
    scale = min(PANEL_PX / height, MOST_WIDTH_PX / width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _lay_heat(panel: Image.Image, saliency: np.ndarray) -> Image.Image:
    """Lay the colours of a map over an image."""
    size = (panel.width, panel.height)
    smooth = Image.fromarray(saliency).resize(size, Image.Resampling.BICUBIC)
    colours, cover = heat(np.asarray(smooth) / 255.0)
    grey = np.asarray(panel)[..., None].astype(np.float64)
    mixed = grey + (colours - grey) * cover[..., None]
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def _outline(
    picture: Image.Image,
    sample: Sample,
    polygons: list[np.ndarray],
    lines: list[tuple[str, float]],
) -> Image.Image:
    """Draw polygons of corners (y, x in pixels of the image) as lines (colour, width in pixels)."""
    layer = Image.new("RGBA", (picture.width * FINE, picture.height * FINE))
    draw = ImageDraw.Draw(layer)
    scale = np.array([layer.height, layer.width]) / sample.image.shape
    for polygon, (colour, width_px) in zip(polygons, lines, strict=True):
        corners, far = polygon * scale, np.array([layer.height, layer.width])
        # Half of a line along the image's border would fall outside; what a turn takes out stays.
        inset = width_px * FINE / 2
        inside = (corners > -1.0) & (corners < far + 1.0)
        corners = np.where(inside, np.clip(corners, inset, far - inset), corners)
        points = [(x, y) for y, x in [*corners, corners[0], corners[1]]]
        for tint, width in ((RIM, width_px + 2), (colour, width_px)):
            draw.line(points, tint, round(width * FINE), joint="curve")
    smooth = layer.resize((picture.width, picture.height), Image.Resampling.BOX)
    picture.paste(smooth, (0, 0), smooth)
    return picture


def _corners_of_box(box: np.ndarray) -> np.ndarray:
    y, x, height, width = box
    return np.array([(y, x), (y, x + width), (y + height, x + width), (y + height, x)])


def _cut(text: str, width_px: int) -> str:
    """Shorten a line of small print to a width."""
    if _font(13).getlength(text) <= width_px:
        return text
    while _font(13).getlength(text + "…") > width_px:
        text = text[:-1]
    return text + "…"


def _font(size_px: int):
    return ImageFont.load_default(size_px)
