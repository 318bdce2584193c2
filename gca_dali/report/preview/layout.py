"""Where the panels of a sample lie on a sheet: image, map and the first group, the others below.

Enters: the image's width, the sizes of the views, the groups. Leaves: `Cell`s in pixels of the
sheet. Next: `panels` draws into them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

PANEL_PX = 256  # height of an image, and side of a view of the first group
MOST_WIDTH = 360 / 256  # of an image, in heights of a panel
GAP_PX, MARGIN_PX, CAPTION_PX = 14, 28, 46
MOST_BESIDE = 4  # views that stand beside the image; more begin a line
LEAST_PX = 64  # smaller views show nothing


class Cell(NamedTuple):
    """A panel: its left and top edge, width and height in pixels, from the sample's corner."""

    left: int
    top: int
    width: int
    height: int


def fitting_width(shape: tuple[int, ...], panel_px: int) -> int:
    """Return the width of an image [H, W] in a panel of this height, in pixels."""
    return max(round(panel_px * min(shape[1] / shape[0], MOST_WIDTH)), 1)


@dataclass(frozen=True)
class Grid:
    """The panels of a sample; the same for all samples of a sheet.

    Attributes
    ----------
    image_width : int
        Of a panel with the whole image in pixels.
    sizes : tuple of int
        Side of each of the V views in pixels of the view.
    groups : tuple of slice
    num_panels : int
        Panels with the whole image, before the views.
    panel_px : int
        Height of an image, and side of a view of the first group, in pixels.
    """

    image_width: int
    sizes: tuple[int, ...]
    groups: tuple[slice, ...]
    num_panels: int = 2
    panel_px: int = PANEL_PX

    @cached_property
    def cells(self) -> list[Cell]:
        """Image, map, then the views."""
        step = self.image_width + GAP_PX
        cells = [Cell(n * step, 0, self.image_width, self.panel_px) for n in range(self.num_panels)]
        left, top = self.num_panels * step, 0
        for number, views in enumerate(self.groups):
            side = self._side(views)
            if number > 0:
                left, top = 0, top + cells[-1].height + CAPTION_PX
            for _ in range(views.start, views.stop):
                if left > 0 and left + side > self.inner_width:
                    left, top = 0, top + cells[-1].height + CAPTION_PX
                cells.append(Cell(left, top, side, side))
                left += side + GAP_PX
        return cells

    def place(self, left: int, top: int) -> list[Cell]:
        """Return the cells of a sample whose corner lies here on the sheet."""
        return [cell._replace(left=left + cell.left, top=top + cell.top) for cell in self.cells]

    @property
    def num_first(self) -> int:
        """Number of views of the first group."""
        return self.groups[0].stop

    @property
    def inner_width(self) -> int:
        """Width of a sample in pixels."""
        beside = min(self.num_first, MOST_BESIDE) * (self.panel_px + GAP_PX)
        return self.num_panels * (self.image_width + GAP_PX) + beside - GAP_PX

    @property
    def width(self) -> int:
        """Width of the sheet in pixels."""
        return self.inner_width + 2 * MARGIN_PX

    @property
    def height(self) -> int:
        """Height of a sample with its captions in pixels."""
        return self.cells[-1].top + self.cells[-1].height + CAPTION_PX

    def _side(self, views: slice) -> int:
        """Return the side of a group's panels: in proportion, and in one line where they can be."""
        num_views = views.stop - views.start
        side = round(self.panel_px * self.sizes[views.start] / self.sizes[0])
        side = min(side, self.panel_px)
        fitting = (self.inner_width + GAP_PX) // num_views - GAP_PX
        if views.start > 0 and fitting >= LEAST_PX:
            side = min(side, fitting)
        return max(side, LEAST_PX)
