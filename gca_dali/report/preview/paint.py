"""What previews and galleries are drawn with: fitted images, heat, outlines, small print.

Enters: images, maps, corners, words. Leaves: Pillow images, or marks on one. Next: `panels`.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gca_dali.report.preview.layout import Cell
from gca_dali.report.preview.style import PANEL, RIM, heat

FINE = 3  # lines are drawn this much larger and shrunk: Pillow does not smooth them
PRINT_PX, LEADING_PX = 13, 18


def fit(image: np.ndarray, width: int, height: int) -> Image.Image:
    """Fit an image into a panel of so many pixels, keeping its shape."""
    scale = min(height / image.shape[0], width / image.shape[1])
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    return Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def hang(sheet: Image.Image, cell: Cell, picture: Image.Image) -> None:
    """Put a picture into the middle of a panel."""
    right, bottom = cell.left + cell.width - 1, cell.top + cell.height - 1
    ImageDraw.Draw(sheet).rectangle((cell.left, cell.top, right, bottom), PANEL)
    across, down = cell.width - picture.width, cell.height - picture.height
    sheet.paste(picture, (cell.left + across // 2, cell.top + down // 2))


def lay_heat(panel: Image.Image, saliency: np.ndarray) -> Image.Image:
    """Lay the colours of a map over an image."""
    size = (panel.width, panel.height)
    smooth = Image.fromarray(saliency).resize(size, Image.Resampling.BICUBIC)
    colours, cover = heat(np.asarray(smooth) / 255.0)
    grey = np.asarray(panel)[..., None].astype(np.float64)
    mixed = grey + (colours - grey) * cover[..., None]
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def outline(
    picture: Image.Image,
    shape: tuple[int, ...],
    polygons: list[np.ndarray],
    lines: list[tuple[str, float]],
) -> Image.Image:
    """Draw polygons of corners (y, x in pixels of an image of `shape`) as lines (colour, width)."""
    layer = Image.new("RGBA", (picture.width * FINE, picture.height * FINE))
    draw = ImageDraw.Draw(layer)
    far = np.array([layer.height, layer.width])
    for polygon, (colour, width_px) in zip(polygons, lines, strict=True):
        corners = polygon * (far / shape)
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


def write_lines(
    draw: ImageDraw.ImageDraw, cell: Cell, words: tuple[str, ...], colours: tuple[str, ...]
) -> None:
    """Write a line or two under a panel."""
    for line, (text, colour) in enumerate(zip(words, colours, strict=True)):
        place_px = (cell.left, cell.top + cell.height + 6 + LEADING_PX * line)
        draw.text(place_px, cut(text, cell.width), colour, font(PRINT_PX))


def cut(text: str, width_px: int) -> str:
    """Shorten a line of small print to a width."""
    text = text.replace("–", "-")  # the font has no dash
    if font(PRINT_PX).getlength(text) <= width_px:
        return text
    while font(PRINT_PX).getlength(text + "…") > width_px:
        text = text[:-1]
    return text + "…"


def wrap(text: str, width_px: int) -> list[str]:
    """Break small print into lines of a width; a longer word is shortened."""
    lines: list[str] = []
    for word in text.replace("–", "-").split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font(PRINT_PX).getlength(longer) <= width_px:
            lines[-1] = longer
        else:
            lines.append(cut(word, width_px))
    return lines


def font(size_px: int):
    """Return the font of all pictures, which Pillow brings along."""
    return ImageFont.load_default(size_px)
