"""A redraw loop in plain NumPy, as one would write it: the rival of `sample_windows`.

Enters: a saliency map and an image's shape. Leaves: windows of the same law as `rejection` with an
area or a zoom. `tests/distribution` compares the two by chi-square.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PlainRejection:
    """Redraw size and place together until a window is accepted.

    Attributes
    ----------
    tau : float
        Least share of the mass.
    weight : int
        Power of the share that a window is accepted with.
    area_range, aspect_range : tuple of float
        Of the image's area; width over height.
    zoom_range : tuple of float or None
        Instead of an area: the image's sides over zoom.
    num_draws : int
        After these many the last window is taken.
    """

    tau: float = 0.9
    weight: int = 1
    area_range: tuple[float, float] = (0.2, 1.0)
    aspect_range: tuple[float, float] = (3 / 4, 4 / 3)
    zoom_range: tuple[float, float] | None = None
    num_draws: int = 100_000

    def draw(
        self, integral: np.ndarray, shape: tuple[int, int], rng: np.random.Generator, count: int
    ) -> np.ndarray:
        """Return windows of one image, y0, x0, y1, x1 in shares of its sides, [count, 4].

        `integral` is that of its map, `shape` its height and width in pixels.
        """
        total = integral[-1, -1]
        windows = np.empty((count, 4))
        for n in range(count):
            for _ in range(self.num_draws):
                height, width = self.draw_size(shape, rng)
                y0, x0 = rng.random() * (1.0 - height), rng.random() * (1.0 - width)
                window = (y0, x0, y0 + height, x0 + width)
                share = mass_in(integral, window) / total
                if share >= self.tau and rng.random() < share**self.weight:
                    break
            windows[n] = window
        return windows

    def draw_size(self, shape: tuple[int, int], rng: np.random.Generator) -> tuple[float, float]:
        """Return height and width in shares of the image's sides."""
        if self.zoom_range is not None:
            # Sides are uniform in zoom, as FocusContrast's operators draw them.
            side = 1.0 / rng.uniform(*self.zoom_range)
            return side, side
        for _ in range(10):
            area = shape[0] * shape[1] * rng.uniform(*self.area_range)
            low, high = self.aspect_range
            aspect = math.exp(rng.uniform(math.log(low), math.log(high)))
            height, width = math.sqrt(area / aspect), math.sqrt(area * aspect)
            if height <= shape[0] and width <= shape[1]:
                return height / shape[0], width / shape[1]
        return 1.0, 1.0


def integrate_map(saliency: np.ndarray) -> np.ndarray:
    """Return the integral image of a map, float64, [h + 1, w + 1]."""
    return np.pad(saliency.cumsum(axis=0, dtype=np.float64).cumsum(axis=1), ((1, 0), (1, 0)))


def mass_in(integral: np.ndarray, window: tuple[float, float, float, float]) -> float:
    """Return the mass of a window in shares of the map's sides; parts of cells count."""
    y0, x0, y1, x1 = window
    return (
        integral_at(integral, y1, x1)
        - integral_at(integral, y0, x1)
        - integral_at(integral, y1, x0)
        + integral_at(integral, y0, x0)
    )


def integral_at(integral: np.ndarray, y: float, x: float) -> float:
    """Return the integral image between its nodes, bilinearly."""
    y, x = y * (integral.shape[0] - 1), x * (integral.shape[1] - 1)
    row, column = min(int(y), integral.shape[0] - 2), min(int(x), integral.shape[1] - 2)
    below, right = y - row, x - column
    upper = (1 - right) * integral[row, column] + right * integral[row, column + 1]
    lower = (1 - right) * integral[row + 1, column] + right * integral[row + 1, column + 1]
    return (1 - below) * upper + below * lower
