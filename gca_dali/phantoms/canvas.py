"""Where a phantom is drawn: the anatomical coordinates of pixels, in bands of rows.

A pose and an image size enter; the kinds in ``knee`` and ``chest`` ask here how far each
pixel lies from the curves that bound an organ, and add up attenuation band by band.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gca_dali.phantoms.band import BAND_PIXELS, Band, Curve

__all__ = ["Canvas", "Pose", "draw_pose"]


@dataclass(frozen=True)
class Pose:
    """How the body lies on the detector.

    Anatomical coordinates are in units of the shorter image side, y down and x right, with
    (0, 0) in the middle of the undisplaced image.

    Parameters
    ----------
    angle : float
        Rotation of the body in radians.
    scale : float
        Magnification, 1 for none.
    shift_y, shift_x : float
        Displacement in units of the shorter side.
    mirrored : bool
        Left and right are exchanged.
    """

    angle: float
    scale: float
    shift_y: float
    shift_x: float
    mirrored: bool


def draw_pose(rng: np.random.Generator, zoom: float, mirrored: bool = False) -> Pose:
    """Draw a rotation of up to 3 degrees, 4 % of magnification and 2.5 % of displacement.

    Parameters
    ----------
    rng : numpy.random.Generator
        Advanced by four draws.
    zoom : float
        How much of the body the image shows on average.
    mirrored : bool
        Passed on.

    Returns
    -------
    Pose
    """
    angle, scale, shift_y, shift_x = rng.uniform(-1.0, 1.0, 4).tolist()
    return Pose(
        0.052 * angle, zoom * (1 + 0.04 * scale), 0.025 * shift_y, 0.025 * shift_x, mirrored
    )


@dataclass(frozen=True)
class Canvas:
    """An image's pixels and where each lies in the body.

    Parameters
    ----------
    height, width : int
        Pixels.
    pose : Pose
        Of the body.
    """

    height: int
    width: int
    pose: Pose

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width

    @property
    def side_px(self) -> int:
        """The shorter side in pixels: one anatomical unit at scale 1."""
        return min(self.height, self.width)

    @cached_property
    def _reach(self) -> float:
        """Curves are tabulated from −reach to reach, which holds every pixel."""
        half = np.array(self.shape) / (2 * self.side_px)
        shift = [abs(self.pose.shift_y), abs(self.pose.shift_x)]
        return 0.01 + float((np.abs(np.linalg.inv(self._matrix)) @ (half + shift)).max())

    @property
    def _num_cells(self) -> int:
        """Length of a curve's table: four entries per pixel."""
        return int(8 * self._reach * self.side_px)

    @cached_property
    def _matrix(self) -> np.ndarray:
        """Anatomical (y, x) to units of the shorter side, before the shift: float64, [2, 2]."""
        cos, sin = np.cos(self.pose.angle), np.sin(self.pose.angle)
        mirror = np.diag([1.0, -1.0 if self.pose.mirrored else 1.0])
        return self.pose.scale * np.array([[cos, sin], [-sin, cos]]) @ mirror

    def bands(self) -> Iterator[Band]:
        """Walk through the image, some rows at a time.

        Yields
        ------
        Band
        """
        inverse = np.linalg.inv(self._matrix)
        rows = (np.arange(self.height) + 0.5 - self.height / 2) / self.side_px - self.pose.shift_y
        columns = (np.arange(self.width) + 0.5 - self.width / 2) / self.side_px - self.pose.shift_x
        down, across = inverse[:, :1] * rows, inverse[:, 1:] * columns
        to_cells = (self._num_cells - 1) / (2 * self._reach)
        down = np.concatenate([down, (down + self._reach) * to_cells + 0.5]).astype(np.float32)
        across = np.concatenate([across, across * to_cells]).astype(np.float32)
        num_rows = max(1, BAND_PIXELS // self.width)
        for start in range(0, self.height, num_rows):
            part = slice(start, min(start + num_rows, self.height))
            yield Band(part, down[:, part, None], across[:, None, :])

    def curve(self, knots: Sequence[tuple[float, float]]) -> Curve:
        """Tabulate a monotone-cubic curve through knots, flat outside of them.

        Parameters
        ----------
        knots : sequence of (float, float)
            Position along the axis (ascending) and value, both anatomical.

        Returns
        -------
        Curve
        """
        ticks = np.linspace(-self._reach, self._reach, self._num_cells)
        smooth = _monotone_cubic(ticks, np.asarray(knots, dtype=np.float64))
        slope = np.gradient(smooth, ticks[1] - ticks[0])
        cosines = 1.0 / np.sqrt(1.0 + slope * slope)
        return Curve(smooth.astype(np.float32), cosines.astype(np.float32))

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Pixel coordinates of anatomical points.

        Parameters
        ----------
        points : numpy.ndarray, float, [N, 2]
            y, x.

        Returns
        -------
        numpy.ndarray, float64, [N, 2]
            y, x in pixels; the first pixel's centre is (0.5, 0.5).
        """
        shift = np.array([self.pose.shift_y, self.pose.shift_x])
        placed = np.asarray(points, dtype=np.float64).reshape(-1, 2) @ self._matrix.T + shift
        return placed * self.side_px + np.array(self.shape) / 2

    def box_px(self, y: float, x: float, half_height: float, half_width: float) -> list[float]:
        """Upright box in pixels around an anatomical rectangle, cut at the image's edge.

        Parameters
        ----------
        y, x, half_height, half_width : float
            Anatomical centre and half sides.

        Returns
        -------
        list of float
            y0, x0, height, width.
        """
        signs = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
        corners = self.to_pixels([y, x] + signs * [half_height, half_width])
        low = np.clip(corners.min(axis=0), 0, self.shape)
        high = np.clip(corners.max(axis=0), 0, self.shape)
        return [*low.tolist(), *(high - low).tolist()]


def _monotone_cubic(ticks: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Interpolate as Fritsch and Butland (1984) do, without overshoot: float64, [N]."""
    positions, values = knots.T
    steps = np.diff(positions)
    slopes = np.diff(values) / steps
    product = np.maximum(slopes[1:] * slopes[:-1], 0)
    total = slopes[1:] + slopes[:-1]
    inner = 2 * np.divide(product, total, out=np.zeros_like(total), where=product > 0)
    tangents = np.concatenate([slopes[:1], inner, slopes[-1:]])
    bend = (tangents[:-1] + tangents[1:] - 2 * slopes) / steps**2
    sag = (3 * slopes - 2 * tangents[:-1] - tangents[1:]) / steps
    pieces = np.stack([positions[:-1], values[:-1], tangents[:-1], sag, bend])
    held = np.minimum(np.maximum(ticks, positions[0]), positions[-1])
    start, value, tangent, sag, bend = pieces[:, np.searchsorted(positions[1:-1], held)]
    along = held - start
    return value + along * (tangent + along * (sag + along * bend))
