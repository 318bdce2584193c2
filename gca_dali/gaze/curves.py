"""The curve of a training as a PNG, drawn with Pillow alone.

Enters: scores per epoch. Leaves: a picture of two panels. Next: nothing; a person looks at it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

PANEL = (360, 240)
"""Width and height of a panel in pixels."""
COLOURS = ((31, 91, 163), (204, 85, 0), (60, 130, 60))


def draw_curves(
    path: str | Path, panels: Mapping[str, Mapping[str, Sequence[float]]], marked: int
) -> None:
    """Draw curves over epochs, one panel beside the other.

    Parameters
    ----------
    path : str or Path
        PNG file.
    panels : mapping of str to mapping of str to sequence of float
        Title, and the named curves of the panel; all of one length.
    marked : int
        Epoch, counted from 0, that a vertical line marks.
    """
    from PIL import Image, ImageDraw

    width, height = PANEL
    picture = Image.new("RGB", (width * len(panels), height), "white")
    draw = ImageDraw.Draw(picture)
    for number, (title, curves) in enumerate(panels.items()):
        left, right = number * width + 52, (number + 1) * width - 12
        top, bottom = 30, height - 34
        values = [value for curve in curves.values() for value in curve]
        low, high = min(values), max(values)
        span = (high - low) or 1.0
        num = max(len(next(iter(curves.values()))) - 1, 1)
        draw.rectangle([left, top, right, bottom], outline=(170, 170, 170))
        draw.text((left, 8), title, fill="black")
        for share in (0.0, 0.5, 1.0):
            y = bottom - share * (bottom - top)
            draw.text((number * width + 6, y - 6), f"{low + share * span:.3f}", fill="black")
            draw.line([left, y, right, y], fill=(225, 225, 225))
        draw.text((left, bottom + 4), "0", fill="black")
        draw.text((right - 20, bottom + 4), str(num), fill="black")
        draw.text(((left + right) // 2 - 18, bottom + 16), "epoch", fill="black")
        x = left + marked / num * (right - left)
        draw.line([x, top, x, bottom], fill=(150, 150, 150))
        for order, (name, curve) in enumerate(curves.items()):
            points = [
                (
                    left + i / num * (right - left),
                    bottom - (value - low) / span * (bottom - top),
                )
                for i, value in enumerate(curve)
            ]
            colour = COLOURS[order % len(COLOURS)]
            draw.line(points, fill=colour, width=2)
            draw.text((right - 92, top + 4 + 12 * order), name, fill=colour)
    picture.save(path)
