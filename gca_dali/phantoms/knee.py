"""Whose knee, and what is wrong with it: proportions and osteoarthritis of grade 0 to 4.

A random stream and a grade enter, proportions, lesions and their boxes leave; ``knee_rays``
draws them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gca_dali.phantoms.canvas import Canvas

__all__ = [
    "KNEE_LANDMARKS",
    "KneeLesions",
    "KneeShape",
    "Spur",
    "draw_knee_lesions",
    "draw_knee_shape",
    "knee_boxes",
]

# Per grade 0 to 4, after Kellgren and Lawrence: share of the joint space that is left,
# number of osteophytes, their length, and how dense the bone under the plate becomes.
_SPACE_LEFT = (1.0, 0.95, 0.76, 0.46, 0.1)
_NUM_SPURS = (0, 1, 2, 3, 4)
_SPUR_LENGTH = (0.0, 0.038, 0.046, 0.054, 0.064)
_SCLEROSIS = (0.0, 0.0, 0.3, 0.65, 1.0)

# Where a reader looks, y before x: patella, margins, compartments, spines.
KNEE_LANDMARKS = np.array(
    [[-0.17, 0.0], [-0.01, -0.26], [0.0, -0.15], [0.0, 0.0], [0.0, 0.15], [0.01, 0.26]]
)


@dataclass(frozen=True)
class Spur:
    """An osteophyte: root (y, x), direction (y, x), length, all anatomical."""

    y: float
    x: float
    direction_y: float
    direction_x: float
    length: float
    on_femur: bool


@dataclass(frozen=True)
class KneeShape:
    """Proportions of one person's knee, in units of the shorter image side."""

    half_width: float
    shaft: float
    space: float
    notch: float
    spines: float
    density: float
    soft: float
    patella_y: float


@dataclass(frozen=True)
class KneeLesions:
    """What is wrong with a knee: side −1 (left of the axis) or 1, and how much."""

    grade: int
    side: int
    space_left: float
    sclerosis: float
    spurs: tuple[Spur, ...]


def draw_knee_shape(rng: np.random.Generator) -> KneeShape:
    """Draw one person's proportions.

    Parameters
    ----------
    rng : numpy.random.Generator
        Advanced by eight draws.

    Returns
    -------
    KneeShape
    """
    u = rng.uniform(-1.0, 1.0, 8).tolist()
    return KneeShape(
        half_width=0.292 + 0.014 * u[0],
        shaft=0.148 + 0.012 * u[1],
        space=0.040 + 0.003 * u[2],
        notch=0.062 + 0.01 * u[3],
        spines=0.028 + 0.005 * u[4],
        density=1.0 + 0.1 * u[5],
        soft=0.40 + 0.03 * u[6],
        patella_y=-0.20 + 0.025 * u[7],
    )


def draw_knee_lesions(rng: np.random.Generator, grade: int, shape: KneeShape) -> KneeLesions:
    """Draw the lesions of a grade.

    Parameters
    ----------
    rng : numpy.random.Generator
        Advanced.
    grade : int
        0 to 4.
    shape : KneeShape
        Of the knee.

    Returns
    -------
    KneeLesions
    """
    side = int(rng.choice([-1, 1], p=[0.7, 0.3]))
    space_left = float(np.clip(_SPACE_LEFT[grade] + rng.uniform(-0.05, 0.05), 0.05, 1.0))
    corners = [(side, False), (side, True), (-side, False), (-side, True)]
    if rng.random() < 0.5:
        corners[:2] = corners[1::-1]
    spurs = []
    for corner, on_femur in corners[: _NUM_SPURS[grade]]:
        length = _SPUR_LENGTH[grade] * rng.uniform(0.88, 1.15)
        slant = rng.uniform(0.1, 0.45) * (1 if on_femur else -1)
        root_y = (-0.5 * shape.space - 0.03) if on_femur else (0.5 * shape.space + 0.02)
        spurs.append(
            Spur(
                y=root_y,
                x=corner * (shape.half_width - (0.028 if on_femur else 0.016)),
                direction_y=float(np.sin(slant)),
                direction_x=float(corner * np.cos(slant)),
                length=float(length),
                on_femur=on_femur,
            )
        )
    return KneeLesions(grade, side, space_left, _SCLEROSIS[grade], tuple(spurs))


def knee_boxes(
    canvas: Canvas, shape: KneeShape, lesions: KneeLesions
) -> list[tuple[str, list[float]]]:
    """Name the lesions and box them.

    Parameters
    ----------
    canvas : Canvas
        Where they were drawn.
    shape : KneeShape
        Whose knee.
    lesions : KneeLesions
        Of grade 2 and more also show a narrow joint space with dense bone around it.

    Returns
    -------
    list of (str, list of float)
        Name; y0, x0, height, width in pixels.
    """
    boxes = []
    if lesions.grade >= 2:
        half_height = 0.5 * shape.space + 0.022
        boxes.append(("narrowing", canvas.box_px(0.0, 0.17 * lesions.side, half_height, 0.1)))
    for spur in lesions.spurs:
        y = spur.y + 0.55 * spur.length * spur.direction_y
        x = spur.x + 0.55 * spur.length * spur.direction_x
        half = 0.65 * spur.length + 0.008
        boxes.append(("osteophyte", canvas.box_px(y, x, half, half)))
    return boxes
