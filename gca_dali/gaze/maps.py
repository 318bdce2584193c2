"""Saliency maps from fixations: a Gaussian per fixation, weighted by its duration.

Enters: valid fixations of one image in pixels and seconds. Leaves: a float32 map that covers the
whole image and sums to 1. Next: `map_folder` writes it, the predictor learns it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

SIGMA_UNITS = ("px", "degrees", "share")

_erf = np.vectorize(math.erf, otypes=[np.float64])


@dataclass(frozen=True)
class MapSettings:
    """How wide a fixation spreads, and on which grid the map is drawn.

    Attributes
    ----------
    sigma : float
        Standard deviation of the Gaussian.
    unit : str
        "px": image pixels. "degrees": of visual angle (REFLACX uses 1). "share": of the image's
        longer side; the default 1/30 is the 30 px at 900 px of the MicEye tools.
    pixels_per_degree : float, optional
        Image pixels per degree, for "degrees" where the recording does not tell.
    height, width : int
        Cells of the map, which covers the whole image whatever its shape.
    """

    sigma: float = 1 / 30
    unit: str = "share"
    pixels_per_degree: float | None = None
    height: int = 224
    width: int = 224

    def __post_init__(self) -> None:
        """Refuse settings that draw nothing."""
        if self.unit not in SIGMA_UNITS:
            raise ValueError(
                f"unit must be one of {', '.join(SIGMA_UNITS)}, got {self.unit!r}. Pick one."
            )
        for name in ("sigma", "height", "width"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name} must be positive, got {getattr(self, name)}. Give a larger number."
                )
        if self.pixels_per_degree is not None and not self.pixels_per_degree > 0:
            raise ValueError(
                f"pixels_per_degree must be positive, got {self.pixels_per_degree}. "
                f"Leave it out where the recording tells."
            )

    def sigma_px(self, size: tuple[int, int], pixels_per_degree: np.ndarray) -> np.ndarray:
        """Return the standard deviation of each fixation in image pixels.

        Parameters
        ----------
        size : tuple of int
            Height and width of the image in pixels.
        pixels_per_degree : numpy.ndarray, float64, [F, 2]
            Of the recording (y, x); NaN where unknown.

        Returns
        -------
        numpy.ndarray, float64, [F, 2]
            Along y and x.

        Raises
        ------
        ValueError
            Where degrees are asked for and neither recording nor settings know them.
        """
        if self.unit == "px":
            return np.full(pixels_per_degree.shape, self.sigma)
        if self.unit == "share":
            return np.full(pixels_per_degree.shape, self.sigma * max(size))
        fallback = np.nan if self.pixels_per_degree is None else self.pixels_per_degree
        known = np.where(pixels_per_degree > 0, pixels_per_degree, fallback)
        if np.isnan(known).any():
            raise ValueError(
                "pixels_per_degree must be known for a sigma in degrees, got a recording without "
                "it. Give it, or a sigma in pixels."
            )
        return self.sigma * known


def draw_map(
    points: np.ndarray, sigma_px: np.ndarray, size: tuple[int, int], shape: tuple[int, int]
) -> np.ndarray:
    """Draw the map of one image.

    Each cell holds the integral of the Gaussians over its area, so the map is exact at any
    resolution: a Gaussian is cut at the edge of the image and nowhere else.

    Parameters
    ----------
    points : numpy.ndarray, float64, [F, 3]
        y and x in image pixels, duration in seconds.
    sigma_px : numpy.ndarray, float64, [F, 2]
        Standard deviation along y and x in image pixels.
    size : tuple of int
        Height and width of the image in pixels.
    shape : tuple of int
        Rows and columns of the map.

    Returns
    -------
    numpy.ndarray, float32, [shape]
        Non-negative, sum 1.

    Raises
    ------
    ValueError
        Where there is no fixation, or so far off the image that no mass falls on it.
    """
    if len(points) == 0:
        raise ValueError("points must hold at least one fixation, got none. Skip the image.")
    down, across = (
        _cell_shares(points[:, axis], sigma_px[:, axis], size[axis], shape[axis]) for axis in (0, 1)
    )
    saliency = (down * points[:, 2]) @ across.T
    total = saliency.sum()
    if not total > 0:
        raise ValueError(
            "points must lie near the image, got only fixations far outside. Skip the image."
        )
    return (saliency / total).astype(np.float32)


def _cell_shares(position: np.ndarray, sigma: np.ndarray, side: int, num_cells: int) -> np.ndarray:
    """Return the share of each Gaussian in each cell along one axis, float64, [num_cells, F]."""
    edges = np.linspace(0, side, num_cells + 1)[:, None]
    return np.diff(0.5 * _erf((edges - position) / (sigma * math.sqrt(2))), axis=0)
