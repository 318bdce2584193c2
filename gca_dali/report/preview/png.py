"""A preview as one picture, drawn with Pillow: image, map and views of each sample.

Enters: a `Preview`. Leaves: a Pillow image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gca_dali.report.preview.layout import GAP_PX, MARGIN_PX, MOST_WIDTH_PX, PANEL_PX, Cell, Grid
from gca_dali.report.preview.style import (
    BACKGROUND,
    FAINT,
    FOCUS,
    LESION,
    PANEL,
    RIM,
    TEXT,
    describe_briefly,
    describe_image,
    describe_view,
    explain,
    heat,
    view_colour,
)

if TYPE_CHECKING:
    from gca_dali.report.preview.sample import Preview, Sample

HEADER_PX, HEADING_PX, FOOTER_PX = 82, 26, 44
LINE_PX, FINE_LINE_PX, RING_PX = 3.0, 2.0, 6.0
NARROW_PX = 200  # panels whose captions are brief
FINE = 3  # lines are drawn this much larger and shrunk: Pillow does not smooth them


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
    sizes = tuple(len(view) for view in preview.samples[0].views)
    grid = Grid(max(panel.width for panel in panels), sizes, preview.groups)
    row_px = grid.height + GAP_PX
    top = HEADER_PX + HEADING_PX
    bottom = top + row_px * len(panels)
    sheet = Image.new("RGB", (grid.width, bottom + FOOTER_PX), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN_PX, 18), preview.title, TEXT, _font(22))
    draw.text((MARGIN_PX, 49), _cut(preview.subtitle, grid.inner_width), FAINT, _font(13))
    _draw_headings(sheet, grid, any(len(sample.lesions) for sample in preview.samples))
    for row, (sample, panel) in enumerate(zip(preview.samples, panels, strict=True)):
        _draw_sample(sheet, sample, panel, (top + row_px * row, grid))
    footer = _cut(explain(preview), grid.inner_width)
    draw.text((MARGIN_PX, bottom + 4), footer, FAINT, _font(13))
    return sheet


def _draw_headings(sheet: Image.Image, grid: Grid, has_lesions: bool) -> None:
    """Name the columns, with the keys to the outlines and to the colours of saliency."""
    draw = ImageDraw.Draw(sheet)
    names = [("image", TEXT), ("saliency, windows", TEXT)]
    names += [(f"view {view + 1}", view_colour(view)) for view in range(len(grid.sizes))]
    for cell, (name, colour) in zip(grid.cells, names, strict=True):
        if cell.top == 0:
            draw.text((MARGIN_PX + cell.left, HEADER_PX), name, colour, _font(15))
    right = MARGIN_PX + grid.image_width
    if has_lesions:
        draw.text((right, HEADER_PX + 2), "lesion", FAINT, _font(13), anchor="ra")
        draw.rectangle((right - 58, HEADER_PX + 4, right - 46, HEADER_PX + 14), outline=LESION)
    right += grid.cells[1].left
    colours, cover = heat(np.linspace(0, 1, 60))
    bar = np.rint(colours * np.minimum(1.4 * cover, 1.0)[:, None]).astype(np.uint8)
    sheet.paste(Image.fromarray(np.tile(bar, (10, 1, 1))), (right - 60, HEADER_PX + 5))


def _draw_sample(
    sheet: Image.Image, sample: Sample, panel: Image.Image, place: tuple[int, Grid]
) -> None:
    top, grid = place
    cells = [cell._replace(left=MARGIN_PX + cell.left, top=top + cell.top) for cell in grid.cells]
    draw = ImageDraw.Draw(sheet)
    lesions = [_corners_of_box(box) for box in sample.lesions]
    plain = _outline(panel.convert("RGB"), sample, lesions, [(LESION, 1.5)] * len(lesions))
    attended = _outline(_lay_heat(panel, sample.saliency), sample, *_windows(sample, grid))
    for cell, picture in zip(cells, (plain, attended), strict=False):
        right, bottom = cell.left + cell.width - 1, cell.top + cell.height - 1
        draw.rectangle((cell.left, cell.top, right, bottom), PANEL)
        across, down = cell.width - picture.width, cell.height - picture.height
        sheet.paste(picture, (cell.left + across // 2, cell.top + down // 2))
    _write(draw, cells[0], describe_image(sample), (TEXT, FAINT))
    for v, (cell, pixels) in enumerate(zip(cells[2:], sample.views, strict=True)):
        picture = Image.fromarray(pixels)
        sheet.paste(picture.resize(cell[2:], Image.Resampling.BICUBIC), cell[:2])
        edge = (cell.left, cell.top, cell.left + cell.width - 1, cell.top + cell.height - 1)
        draw.rectangle(edge, outline=view_colour(v), width=round(_line_px(v, grid)))
        if cell.width < NARROW_PX:
            words = (f"view {v + 1}", describe_briefly(sample.facts[v]))
            _write(draw, cell, words, (view_colour(v), TEXT))
        else:
            _write(draw, cell, describe_view(sample.facts[v]), (TEXT, FAINT))


def _line_px(view: int, grid: Grid) -> float:
    """Return the width of a view's frame: views of the first group stand out."""
    return LINE_PX if view < grid.groups[0].stop else FINE_LINE_PX


def _windows(sample: Sample, grid: Grid) -> tuple[list[np.ndarray], list[tuple[str, float]]]:
    """Return polygons and lines (colour, width) of the windows, and of the ring about the focus."""
    # An earlier line of a few is wider, so that both show where two windows share an edge.
    last = len(grid.sizes) - 1
    more = [last - v if last < 4 else 0 for v in range(last + 1)]
    polygons = list(sample.corners)
    lines = [(view_colour(v), _line_px(v, grid) + more[v]) for v in range(last + 1)]
    if sample.focus is not None:
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)[:, None]
        scale = max(sample.image.shape[0] / PANEL_PX, sample.image.shape[1] / MOST_WIDTH_PX)
        ring = RING_PX * scale * np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
        polygons.append(np.array(sample.focus) + ring)
        lines.append((FOCUS, FINE_LINE_PX))
    return polygons, lines


def _write(
    draw: ImageDraw.ImageDraw, cell: Cell, words: tuple[str, str], colours: tuple[str, str]
) -> None:
    """Write two lines under a panel."""
    for line, (text, colour) in enumerate(zip(words, colours, strict=True)):
        place_px = (cell.left, cell.top + cell.height + 6 + 18 * line)
        draw.text(place_px, _cut(text, cell.width), colour, _font(13))


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
