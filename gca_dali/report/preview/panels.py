"""The panels of one sample: the image with its lesions, the map with the windows, the views.

Enters: a `Sample` and the cells that its panels fill. Leaves: marks on a sheet. Used by `png`, a
sample a row, and by `gallery`, a policy a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from gca_dali.report.preview.layout import Cell
from gca_dali.report.preview.paint import fit, hang, lay_heat, outline, write_lines
from gca_dali.report.preview.style import (
    FAINT,
    FOCUS,
    LESION,
    TEXT,
    describe_briefly,
    describe_image,
    describe_view,
    view_colour,
)

if TYPE_CHECKING:
    from gca_dali.report.preview.sample import Sample

LINE_PX, FINE_LINE_PX, LESION_LINE_PX, RING_PX = 3.0, 2.0, 1.5, 6.0
NARROW_PX, TINY_PX = 200, 100  # panels whose captions are brief, and in two lines


def draw_image(sheet: Image.Image, cell: Cell, sample: Sample) -> None:
    """Draw the image, its lesions outlined, and write its name and size below."""
    boxes = [_corners_of_box(box) for box in sample.lesions]
    picture = fit(sample.image, cell.width, cell.height).convert("RGB")
    lines = [(LESION, LESION_LINE_PX)] * len(boxes)
    hang(sheet, cell, outline(picture, sample.image.shape, boxes, lines))
    write_lines(ImageDraw.Draw(sheet), cell, describe_image(sample), (TEXT, FAINT))


def draw_map(sheet: Image.Image, cell: Cell, sample: Sample) -> None:
    """Draw the image under its map."""
    hang(sheet, cell, lay_heat(fit(sample.image, cell.width, cell.height), sample.saliency))


def draw_windows(sheet: Image.Image, cell: Cell, sample: Sample, num_first: int) -> None:
    """Draw the windows and the shared point over the map.

    Parameters
    ----------
    sheet : PIL.Image.Image
    cell : Cell
    sample : Sample
    num_first : int
        Views of the first group, whose lines are wider.
    """
    picture = lay_heat(fit(sample.image, cell.width, cell.height), sample.saliency)
    # An earlier line of a few is wider, so that both show where two windows share an edge.
    last = len(sample.views) - 1
    more = [last - v if last < 4 else 0 for v in range(last + 1)]
    polygons = list(sample.corners)
    lines = [(view_colour(v), _line_px(v, num_first) + more[v]) for v in range(last + 1)]
    if sample.focus is not None:
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)[:, None]
        ring = RING_PX * np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
        polygons.append(np.array(sample.focus) + ring * (sample.image.shape[0] / picture.height))
        lines.append((FOCUS, FINE_LINE_PX))
    hang(sheet, cell, outline(picture, sample.image.shape, polygons, lines))


def draw_views(sheet: Image.Image, cells: list[Cell], sample: Sample, num_first: int) -> None:
    """Draw the views in frames of their windows' colours, with what was done to each below."""
    draw = ImageDraw.Draw(sheet)
    for v, (cell, pixels) in enumerate(zip(cells, sample.views, strict=True)):
        picture = Image.fromarray(pixels)
        sheet.paste(picture.resize(cell[2:], Image.Resampling.BICUBIC), cell[:2])
        edge = (cell.left, cell.top, cell.left + cell.width - 1, cell.top + cell.height - 1)
        draw.rectangle(edge, outline=view_colour(v), width=round(_line_px(v, num_first)))
        brief = describe_briefly(sample.facts[v])
        if cell.width >= NARROW_PX:
            write_lines(draw, cell, describe_view(sample.facts[v]), (TEXT, FAINT))
        elif cell.width >= TINY_PX:
            write_lines(draw, cell, (f"view {v + 1}", brief), (view_colour(v), TEXT))
        else:
            held, area = brief.split(" in ")
            write_lines(draw, cell, (held, f"in {area}"), (TEXT, FAINT))


def _line_px(view: int, num_first: int) -> float:
    """Return the width of a view's frame: views of the first group stand out."""
    return LINE_PX if view < num_first else FINE_LINE_PX


def _corners_of_box(box: np.ndarray) -> np.ndarray:
    y, x, height, width = box
    return np.array([(y, x), (y, x + width), (y + height, x + width), (y + height, x)])
