"""A knee from the front as the rays meet it: bones, joint space, soft tissue, lesions.

Proportions and lesions from ``knee`` enter, attenuation leaves; ``film`` exposes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gca_dali.phantoms.band import Band, Curve, fill_columns
from gca_dali.phantoms.canvas import Canvas
from gca_dali.phantoms.fields import chord, ellipse, line, rim, smooth_max, smooth_min, tapered
from gca_dali.phantoms.knee import KneeLesions, KneeShape, Spur
from gca_dali.phantoms.texture import clouds

__all__ = ["render_knee"]

# Unevenness of bone, its coarse and its fine streaks.
_OCTAVES = ((7, 7, 0.05), (26, 75, 0.06), (80, 340, 0.055))


@dataclass(frozen=True)
class _Curves:
    """The outlines of one knee, tabulated."""

    femur_side: Curve
    femur_end: Curve
    tibia_side: Curve
    tibia_end: Curve
    cortex: Curve
    scar: Curve
    fibula: Curve
    fibula_half: Curve
    skin: Curve


def render_knee(
    canvas: Canvas, shape: KneeShape, lesions: KneeLesions, rng: np.random.Generator
) -> np.ndarray:
    """Add up what the rays meet on their way through a knee.

    Parameters
    ----------
    canvas : Canvas
        Where to draw.
    shape : KneeShape
        Whose knee.
    lesions : KneeLesions
        Drawn into it.
    rng : numpy.random.Generator
        Of the textures; advanced by the same draws whatever the lesions are.

    Returns
    -------
    numpy.ndarray, float32, [H, W]
        Attenuation.
    """
    texture = clouds(rng, canvas.shape, _OCTAVES)
    curves = _outline(canvas, shape, lesions)
    attenuation = np.empty(canvas.shape, dtype=np.float32)
    for band in canvas.bands():
        part = fill_columns(_soft_tissue(band.thinned(), curves), canvas.width)
        grain = texture[band.rows]
        part += 0.1 * grain
        grain += 1.0
        part += shape.density * _skeleton(band, shape, curves, lesions, grain)
        attenuation[band.rows] = part
    return attenuation


def _outline(canvas: Canvas, shape: KneeShape, lesions: KneeLesions) -> _Curves:
    """Tabulate the outlines; the affected compartment is narrowed."""
    half, shaft, gap, soft = shape.half_width, shape.shaft, 0.5 * shape.space, shape.soft
    closing = gap * (1.0 - lesions.space_left)

    def end(knots: list[tuple[float, float]], sign: int) -> Curve:
        return canvas.curve(
            [
                (at * half, sign * gap + y - sign * closing / (1 + np.exp(-lesions.side * 8 * at)))
                for at, y in knots
            ]
        )

    notch, spine = shape.notch, shape.spines
    # fmt: off
    femur_side = [
        (-0.9, shaft), (-0.42, shaft + 0.008), (-0.30, 0.62 * half + 0.018), (-0.20, 0.90 * half),
        (-0.125, half), (-0.06, 0.985 * half), (0.0, 0.95 * half), (0.1, 0.9 * half),
    ]
    femur_end = [
        (-1.0, -0.035), (-0.85, -0.008), (-0.55, 0.004), (-0.3, -0.006), (-0.15, -0.6 * notch),
        (0.0, -notch), (0.15, -0.55 * notch), (0.3, -0.006), (0.55, 0.002), (0.85, -0.01),
        (1.0, -0.038),
    ]
    tibia_side = [
        (-0.1, 0.96 * half), (0.01, 0.97 * half), (0.045, 0.985 * half), (0.09, 0.95 * half),
        (0.16, 0.82 * half), (0.25, 0.64 * half), (0.36, shaft + 0.012), (0.9, shaft - 0.022),
    ]
    tibia_end = [
        (-1.0, 0.012), (-0.85, 0.003), (-0.5, 0.006), (-0.25, -0.002), (-0.115, -0.85 * spine),
        (-0.06, -0.75 * spine), (0.02, -0.35 * spine), (0.1, -spine), (0.25, -0.003),
        (0.5, 0.003), (0.85, 0.0), (1.0, 0.012),
    ]
    cortex = [
        (-0.6, 0.02), (-0.35, 0.013), (-0.2, 0.006), (0.2, 0.006), (0.32, 0.013), (0.6, 0.02),
    ]
    scar = [(-0.3, 0.012), (-0.15, 0.0), (0.0, -0.012), (0.15, 0.002), (0.3, 0.012)]
    fibula = [(0.09, 0.265), (0.2, 0.249), (0.5, 0.225), (0.9, 0.2)]
    fibula_half = [
        (0.085, -0.02), (0.11, 0.026), (0.15, 0.041), (0.22, 0.03), (0.32, 0.023), (0.9, 0.022),
    ]
    skin = [
        (-0.9, soft + 0.05), (-0.4, soft + 0.03), (-0.1, soft - 0.015), (0.05, soft - 0.03),
        (0.3, soft - 0.01), (0.9, soft - 0.05),
    ]
    # fmt: on
    curve = canvas.curve
    return _Curves(
        curve(femur_side), end(femur_end, -1), curve(tibia_side), end(tibia_end, 1),
        curve(cortex), curve(scar), curve(fibula), curve(fibula_half), curve(skin),
    )  # fmt: skip


def _soft_tissue(band: Band, curves: _Curves) -> np.ndarray:
    """Muscle inside of skin and fat, two round columns: float32, [h, W]."""
    depth = band.within(curves.skin)
    return 0.20 * chord(depth, 0.3) + 0.23 * chord(depth - 0.03, 0.22)


def _skeleton(
    band: Band, shape: KneeShape, curves: _Curves, lesions: KneeLesions, grain: np.ndarray
) -> np.ndarray:
    """Femur, tibia, fibula and patella: float32, [h, W]."""
    y, x = band.y, band.x
    bone = np.full_like(y, -1.0)
    if band.touches(-9.0, 0.12):
        bone = smooth_min(band.within(curves.femur_side), -band.below(curves.femur_end), 0.03)
        bone = _with_spurs(band, bone, [spur for spur in lesions.spurs if spur.on_femur])
    if band.touches(-0.12, 9.0):
        tibia = smooth_min(band.within(curves.tibia_side), band.below(curves.tibia_end), 0.03)
        tibia = _with_spurs(band, tibia, [spur for spur in lesions.spurs if not spur.on_femur])
        np.maximum(bone, tibia, out=bone)
    body = chord(bone, 0.11)
    wall = body - chord(bone - band.at_y(curves.cortex), 0.11)
    body *= grain
    part = 0.31 * body + 0.62 * wall
    if band.touches(-0.2, 0.2):
        part += _plates(band, curves, bone, lesions) * grain
    if band.touches(0.05, 9.0):
        fibula = band.at_y(curves.fibula_half) - np.abs(x - band.at_y(curves.fibula))
        part += 0.14 * rim(fibula, 0.024) * grain
    if band.touches(shape.patella_y - 0.16, shape.patella_y + 0.16):
        broad = x * (1.0 + 0.9 * (y - shape.patella_y))
        patella = ellipse(y, broad, (shape.patella_y, 0.008), (0.112, 0.134))
        part += (0.07 * chord(patella, 0.07) + 0.03 * rim(patella, 0.02)) * grain
    return part


def _with_spurs(band: Band, bone: np.ndarray, spurs: list[Spur]) -> np.ndarray:
    """Join the osteophytes to a bone's field: float32, [h, W]."""
    for spur in spurs:
        if band.touches(spur.y - 2 * spur.length, spur.y + 2 * spur.length):
            step = (spur.direction_y * spur.length, spur.direction_x * spur.length)
            radii = (0.42 * spur.length, 0.16 * spur.length)
            beak = tapered(band.y, band.x, (spur.y, spur.x), step, radii)
            bone = smooth_max(bone, beak, 0.02)
    return bone


def _plates(band: Band, curves: _Curves, bone: np.ndarray, lesions: KneeLesions) -> np.ndarray:
    """Dense bone at the joint surfaces, growth scars, sclerosis: float32, [h, W]."""
    y, x = band.y, band.x
    near = np.exp(-((y * (1 / 0.08)) ** 2))
    plate = near * (0.17 * line(bone - 0.006, 0.009) + 0.05 * line(bone - 0.026, 0.006))
    scar = band.at_x(curves.scar)
    scars = line(y - 0.115 - scar, 0.007) + line(y + 0.135 + scar, 0.007)
    plate += 0.035 * scars * (bone > 0.012)
    if lesions.sclerosis > 0:
        across = np.exp(-(((x - 0.17 * lesions.side) * (1 / 0.085)) ** 2))
        depth = 0.022 + 0.016 * lesions.sclerosis
        dense = chord(bone, 0.004) * np.exp(np.maximum(bone, 0) * (-1 / depth))
        plate += (0.42 * lesions.sclerosis) * across * near * dense
    return plate
