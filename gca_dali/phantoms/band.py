"""Some rows of a phantom: anatomical coordinates and distances from the curves of organs.

``canvas`` makes bands and curves; ``knee_rays`` and ``chest_rays`` draw band by band.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["BAND_PIXELS", "Band", "Curve", "fill_columns"]

# Small enough that every array of a band stays in the processor's cache.
BAND_PIXELS = 16384


@dataclass(frozen=True)
class Curve:
    """A tabulated curve: values and the cosine of the slope, each float32, [num_cells]."""

    values: np.ndarray
    cosines: np.ndarray


@dataclass(frozen=True)
class Band:
    """Some rows of a canvas.

    Parameters
    ----------
    rows : slice
        Of the image.
    down, across : numpy.ndarray, float32, [4, h, 1] and [4, 1, W]
        Their sums are y, x and the places of y and x in the tables of curves.
    """

    rows: slice
    down: np.ndarray
    across: np.ndarray

    @cached_property
    def y(self) -> np.ndarray:
        """Anatomical y of the pixel centres: float32, [h, W]."""
        return self.down[0] + self.across[0]

    @cached_property
    def x(self) -> np.ndarray:
        """Anatomical x of the pixel centres: float32, [h, W]."""
        return self.down[1] + self.across[1]

    @cached_property
    def y_cell(self) -> np.ndarray:
        """Where y lies in the tables of curves: intp, [h, W]."""
        return (self.down[2] + self.across[2]).astype(np.intp)

    @cached_property
    def x_cell(self) -> np.ndarray:
        """Where x lies in the tables of curves: intp, [h, W]."""
        return (self.down[3] + self.across[3]).astype(np.intp)

    @cached_property
    def _extent(self) -> tuple[float, float]:
        """Least and greatest y, which lie at corners."""
        corners = self.down[0, [0, -1]] + self.across[0, :, [0, -1]].T
        return float(corners.min()), float(corners.max())

    def thinned(self) -> Band:
        """Every other column, for what changes slowly; see :func:`fill_columns`."""
        return Band(self.rows, self.down, np.ascontiguousarray(self.across[:, :, ::2]))

    def touches(self, low: float, high: float) -> bool:
        """Whether any pixel has ``low`` < y < ``high``."""
        return self._extent[0] < high and self._extent[1] > low

    def at_x(self, curve: Curve) -> np.ndarray:
        """Value of a curve over x at every pixel: float32, [h, W]."""
        return curve.values[self.x_cell]

    def at_y(self, curve: Curve) -> np.ndarray:
        """Value of a curve over y at every pixel: float32, [h, W]."""
        return curve.values[self.y_cell]

    def below(self, curve: Curve) -> np.ndarray:
        """Distance under y = curve(x), negative above it: float32, [h, W]."""
        return (self.y - curve.values[self.x_cell]) * curve.cosines[self.x_cell]

    def within(self, half_width: Curve) -> np.ndarray:
        """Distance inside of x = ±half_width(y), negative outside: float32, [h, W]."""
        gap = half_width.values[self.y_cell] - np.abs(self.x)
        gap *= half_width.cosines[self.y_cell]
        return gap


def fill_columns(part: np.ndarray, width: int) -> np.ndarray:
    """Undo :meth:`Band.thinned`: what was left out becomes the mean of its neighbours.

    Parameters
    ----------
    part : numpy.ndarray, float32, [h, ceil(width / 2)]
        Computed on a thinned band.
    width : int
        Of the image in pixels.

    Returns
    -------
    numpy.ndarray, float32, [h, width]
    """
    filled = np.empty((len(part), width), dtype=np.float32)
    filled[:, ::2] = part
    between = filled[:, 1 : 2 * part.shape[1] - 1 : 2]
    np.add(part[:, :-1], part[:, 1:], out=between)
    between *= 0.5
    if width % 2 == 0:
        filled[:, -1] = part[:, -1]
    return filled
