"""Whose chest, and what is wrong with it: outlines, proportions, nodules and opacities.

A random stream enters, proportions, lesions and their boxes leave; ``chest_rays`` draws them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gca_dali.phantoms.canvas import Canvas

__all__ = [
    "BORDER_LEFT",
    "BORDER_RIGHT",
    "CAGE",
    "CHEST_LANDMARKS",
    "DOMES",
    "ChestLesion",
    "ChestShape",
    "chest_boxes",
    "draw_chest_lesions",
    "draw_chest_shape",
]

# fmt: off
# Half width of the rib cage over y.
CAGE = (
    (-0.415, 0.03), (-0.40, 0.085), (-0.36, 0.155), (-0.30, 0.215), (-0.20, 0.278), (-0.10, 0.318),
    (0.05, 0.352), (0.20, 0.372), (0.30, 0.376), (0.50, 0.362),
)
# Borders of mediastinum and heart over y: left in the image, right in the image.
BORDER_LEFT = (
    (-0.45, -0.07), (-0.36, -0.06), (-0.28, -0.048), (-0.15, -0.056), (-0.05, -0.066),
    (0.05, -0.09), (0.12, -0.10), (0.20, -0.088), (0.32, -0.07),
)
BORDER_RIGHT = (
    (-0.45, 0.07), (-0.36, 0.06), (-0.27, 0.05), (-0.22, 0.066), (-0.185, 0.086), (-0.14, 0.068),
    (-0.09, 0.078), (-0.04, 0.092), (0.05, 0.142), (0.12, 0.182), (0.18, 0.196), (0.24, 0.18),
    (0.32, 0.15),
)
# Domes of the diaphragm over x.
DOMES = (
    (-0.40, 0.34), (-0.375, 0.295), (-0.33, 0.243), (-0.22, 0.198), (-0.12, 0.21), (-0.05, 0.25),
    (0.05, 0.265), (0.14, 0.245), (0.24, 0.232), (0.33, 0.272), (0.375, 0.322), (0.40, 0.37),
)
# Where a reader looks, y before x: up one lung, down the other, the heart.
CHEST_LANDMARKS = np.array(
    [
        [-0.30, -0.12], [-0.05, -0.13], [0.13, -0.22], [0.26, -0.34], [0.08, 0.08],
        [0.27, 0.35], [0.12, 0.26], [-0.05, 0.14], [-0.30, 0.12],
    ]
)
# fmt: on


@dataclass(frozen=True)
class ChestShape:
    """Proportions of one person's chest, factors about 1 unless said otherwise."""

    breadth: float
    heart: float
    dome_shift: float
    rib_spacing: float
    rib_drop: float
    muscle: float
    breast: float
    vessels: int


@dataclass(frozen=True)
class ChestLesion:
    """A nodule (sharp) or an opacity (cloudy): centre, radius, how dense."""

    name: str
    y: float
    x: float
    radius: float
    density: float


def draw_chest_shape(rng: np.random.Generator) -> ChestShape:
    """Draw one person's proportions.

    Parameters
    ----------
    rng : numpy.random.Generator
        Advanced.

    Returns
    -------
    ChestShape
    """
    u = rng.uniform(-1.0, 1.0, 7).tolist()
    return ChestShape(
        breadth=1.0 + 0.04 * u[0],
        heart=1.0 + 0.12 * u[1],
        dome_shift=0.02 * u[2],
        rib_spacing=0.066 + 0.003 * u[3],
        rib_drop=0.105 + 0.012 * u[4],
        muscle=1.0 + 0.08 * u[5],
        breast=max(0.0, 0.09 * u[6]),
        vessels=int(rng.integers(2**32)),
    )


def _lung_depth(shape: ChestShape, y: float, x: float) -> float:
    """How far a point lies inside a lung, by straight lines between the knots."""
    cage = np.interp(y, *np.transpose(CAGE)) * shape.breadth - abs(x)
    left = np.interp(y, *np.transpose(BORDER_LEFT)) - x
    right = x - np.interp(y, *np.transpose(BORDER_RIGHT)) * shape.heart
    dome = np.interp(x, *np.transpose(DOMES)) + shape.dome_shift - y
    return float(min(cage, max(left, right), dome))


def draw_chest_lesions(rng: np.random.Generator, shape: ChestShape) -> tuple[ChestLesion, ...]:
    """Draw one to three lesions at random places of the lungs.

    Parameters
    ----------
    rng : numpy.random.Generator
        Advanced.
    shape : ChestShape
        Of the chest.

    Returns
    -------
    tuple of ChestLesion
    """
    lesions: list[ChestLesion] = []
    for _ in range(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2])):
        if rng.random() < 0.65:
            name, radius, density = "nodule", rng.uniform(0.025, 0.036), rng.uniform(0.20, 0.28)
        else:
            name, radius, density = "opacity", rng.uniform(0.040, 0.056), rng.uniform(0.24, 0.32)
        while True:
            y, x = rng.uniform(-0.36, 0.28), rng.uniform(-0.37, 0.37)
            apart = all(
                np.hypot(y - other.y, x - other.x) > 1.4 * (radius + other.radius)
                for other in lesions
            )
            if apart and _lung_depth(shape, y, x) > 1.1 * radius:
                break
        lesions.append(ChestLesion(name, float(y), float(x), float(radius), float(density)))
    return tuple(lesions)


def chest_boxes(canvas: Canvas, lesions: tuple[ChestLesion, ...]) -> list[tuple[str, list[float]]]:
    """Name the lesions and box them.

    Parameters
    ----------
    canvas : Canvas
        Where they were drawn.
    lesions : tuple of ChestLesion
        Any number.

    Returns
    -------
    list of (str, list of float)
        Name; y0, x0, height, width in pixels.
    """
    return [
        (lesion.name, canvas.box_px(lesion.y, lesion.x, 1.15 * lesion.radius, 1.15 * lesion.radius))
        for lesion in lesions
    ]
