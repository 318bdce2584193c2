"""Windows as rectangles in the image: what they cover of boxes, of each other, and their corners.

Enters: a `Plan` of windows and turns. Leaves: `PlacedWindows` in pixels, rotation included. Next:
`audit` counts with them, `preview` draws them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gca_dali.policy.view_policy import ViewPolicy
    from gca_dali.steps.windows import Plan

# Where an area is summed along lines: the middles of 64 equal parts of a box or an image.
LINES = (np.arange(64) + 0.5) / 64
TINY = 1e-9


@dataclass(frozen=True)
class PlacedWindows:
    """The V windows of each of B images, in pixels of the original image.

    Attributes
    ----------
    windows : numpy.ndarray, float32, [B, V, 4]
        y0, x0, height, width before the rotation.
    turns : numpy.ndarray, float64, [B, V, 2]
        Cosine and sine of the rotation about the window's centre; 1 and 0 upright.
    shapes : numpy.ndarray, int32, [B, 2]
        Height and width of the images.
    """

    windows: np.ndarray
    turns: np.ndarray
    shapes: np.ndarray

    @classmethod
    def from_plan(cls, plan: Plan, shapes: np.ndarray, policy: ViewPolicy) -> PlacedWindows:
        """Place the windows of a plan that was drawn with `policy` for images of `shapes`."""
        step, group = plan.turns[..., 0], policy.laws.group_of_view
        turns = policy.laws.rotations_q16[group, np.maximum(step, 0)] / 2.0**16
        turns[step < 0] = 1.0, 0.0
        return cls(plan.windows_px(shapes), turns, shapes)

    def take(self, rows: np.ndarray) -> PlacedWindows:
        """Return the windows of some images, in this order, repeated where a row is."""
        return PlacedWindows(self.windows[rows], self.turns[rows], self.shapes[rows])

    @property
    def are_turned(self) -> np.ndarray:
        """Whether each window is rotated, bool, [B, V]."""
        return self.turns[..., 1] != 0

    def area(self) -> np.ndarray:
        """Return each window's area as a share of its image's, float64, [B, V].

        Corners that a rotation turns out of the image count: they are black in the view.
        """
        window_px = self.windows[..., 2].astype(np.float64) * self.windows[..., 3]
        return window_px / self.shapes.prod(axis=1, dtype=np.float64)[:, None]

    def corners(self) -> np.ndarray:
        """Return y, x of the corners, clockwise from the window's top left, [B, V, 4, 2]."""
        centre = self.windows[..., None, :2] + self.windows[..., None, 2:] / 2
        signs = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)])
        v, u = np.moveaxis(signs * (self.windows[..., None, 2:] / 2), -1, 0)
        cosine, sine = self.turns[..., None, 0], self.turns[..., None, 1]
        return centre + np.stack([cosine * v + sine * u, cosine * u - sine * v], axis=-1)

    def spans(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where horizontal lines enter and leave each window.

        Parameters
        ----------
        y : numpy.ndarray, float, [B, R]
            Heights in pixels; other lines for each image.

        Returns
        -------
        low, high : numpy.ndarray, float64, [B, V, R]
            x in pixels; `high` is below `low` where the line misses the window.
        """
        height, width = self.windows[..., 2, None] / 2.0, self.windows[..., 3, None] / 2.0
        # A line along a side meets it nowhere or everywhere: far away stands for both.
        cosine, sine = np.moveaxis(np.where(abs(self.turns) < TINY, TINY, self.turns), -1, 0)
        cosine, sine = cosine[..., None], sine[..., None]
        down = y[:, None] - self.windows[..., 0, None] - height
        low, high = -np.inf, np.inf
        for middle, reach in (
            (cosine * down / sine, height / abs(sine)),
            (-sine * down / cosine, width / abs(cosine)),
        ):
            low, high = np.maximum(low, middle - reach), np.minimum(high, middle + reach)
        centre = self.windows[..., 1, None] + width
        return centre + low, centre + high

    def share_of_boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Return the share of a box that lies in each window of its image, float64, [B, V].

        Exact for upright windows; along 64 lines of the box for rotated ones.

        Parameters
        ----------
        boxes : numpy.ndarray, float, [B, 4]
            y0, x0, height, width in pixels; one box per image.
        """
        edges = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)[:, None]
        share = _common_area(self._edges(), edges) / boxes[:, None, 2:].prod(axis=-1)
        if self.are_turned.any():
            low, high = self.spans(boxes[:, :1] + boxes[:, 2:3] * LINES)
            inside = np.minimum(high, edges[..., 3:]) - np.maximum(low, edges[..., 1:2])
            counted = np.maximum(inside, 0.0).mean(axis=-1) / boxes[:, 3:]
            share = np.where(self.are_turned, counted, share)
        return share

    def pair_iou(self) -> np.ndarray:
        """Return intersection over union of each of the P `pairs_of` windows, float64, [B, P].

        Exact for upright windows; along 64 lines of the image where one is rotated, what lies
        outside the image left out.
        """
        a, b = pairs_of(self.windows.shape[1])
        iou = self.upright_pair_iou()
        if self.are_turned.any():
            low, high = self.spans(self.shapes[:, :1] * LINES)
            low, high = np.maximum(low, 0), np.minimum(high, self.shapes[:, None, 1:])
            each = np.maximum(high - low, 0.0).sum(axis=-1)
            both = np.minimum(high[:, a], high[:, b]) - np.maximum(low[:, a], low[:, b])
            common = np.maximum(both, 0.0).sum(axis=-1)
            counted = common / np.maximum(each[:, a] + each[:, b] - common, TINY)
            iou = np.where(self.are_turned[:, a] | self.are_turned[:, b], counted, iou)
        return iou

    def upright_pair_iou(self) -> np.ndarray:
        """Return `pair_iou` of the windows before their rotation, which `max_iou` bounds."""
        a, b = pairs_of(self.windows.shape[1])
        edges, sizes = self._edges(), self.windows[..., 2:].astype(np.float64).prod(axis=-1)
        common = _common_area(edges[:, a], edges[:, b])
        return common / (sizes[:, a] + sizes[:, b] - common)

    def _edges(self) -> np.ndarray:
        """Return y0, x0, y1, x1 before the rotation, float64, [B, V, 4]."""
        edges = self.windows.astype(np.float64)
        edges[..., 2:] += edges[..., :2]
        return edges


def pairs_of(num_views: int) -> tuple[np.ndarray, np.ndarray]:
    """Return first and second view of each pair, int, [P]: (0, 1), (0, 2), …, (1, 2), …."""
    first, second = np.triu_indices(num_views, 1)
    return first, second


def _common_area(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the common area of upright rectangles given by their edges, [..., 4]."""
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    return np.maximum(high - low, 0.0).prod(axis=-1)
