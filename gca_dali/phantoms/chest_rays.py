"""A chest from the front as the rays meet it: lungs, ribs, heart, spine, diaphragm, lesions.

Proportions and lesions from ``chest`` enter, attenuation leaves; ``film`` exposes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from gca_dali.phantoms.band import Band, Curve, fill_columns
from gca_dali.phantoms.canvas import Canvas
from gca_dali.phantoms.chest import (
    BORDER_LEFT,
    BORDER_RIGHT,
    CAGE,
    DOMES,
    ChestLesion,
    ChestShape,
)
from gca_dali.phantoms.fields import chord, ellipse, rim, smooth_min, tapered
from gca_dali.phantoms.texture import clouds

__all__ = ["render_chest"]

# fmt: off
# Half width of the trunk over y.
_TRUNK = (
    (-0.60, 0.10), (-0.46, 0.115), (-0.43, 0.16), (-0.41, 0.30), (-0.395, 0.42), (-0.36, 0.51),
    (-0.28, 0.56), (-0.10, 0.56), (0.0, 0.50), (0.10, 0.452), (0.20, 0.44), (0.60, 0.455),
)
# Height of the clavicles over the distance from the spine.
_CLAVICLE = (
    (0.0, -0.268), (0.03, -0.275), (0.08, -0.300), (0.16, -0.318), (0.25, -0.338), (0.34, -0.362),
    (0.45, -0.37),
)
# Density of spine and mediastinum over x.
_SPINE = (
    (-0.105, 0.0), (-0.085, 0.06), (-0.05, 0.11), (-0.042, 0.13), (-0.034, 0.19), (-0.02, 0.21),
    (0.028, 0.21), (0.042, 0.19), (0.05, 0.13), (0.058, 0.11), (0.095, 0.06), (0.12, 0.0),
)
# fmt: on


@dataclass(frozen=True)
class _Curves:
    """The outlines of one chest, tabulated."""

    cage: Curve
    trunk: Curve
    left: Curve
    right: Curve
    domes: Curve
    clavicle: Curve
    spine: Curve
    vertebrae: Curve


def render_chest(
    canvas: Canvas,
    shape: ChestShape,
    lesions: tuple[ChestLesion, ...],
    rng: np.random.Generator,
) -> np.ndarray:
    """Add up what the rays meet on their way through a chest.

    Parameters
    ----------
    canvas : Canvas
        Where to draw.
    shape : ChestShape
        Whose chest.
    lesions : tuple of ChestLesion
        Drawn into it.
    rng : numpy.random.Generator
        Of the textures; advanced by the same draws whatever the lesions are.

    Returns
    -------
    numpy.ndarray, float32, [H, W]
        Attenuation.
    """
    texture = clouds(rng, canvas.shape, [(9, 9, 0.018), (110, 110, 0.013)])
    patchy = clouds(rng, canvas.shape, [(34, 34, 1.0)])
    vessels = _draw_vessels(canvas, shape)
    curves = _Curves(
        cage=canvas.curve([(y, x * shape.breadth) for y, x in CAGE]),
        trunk=canvas.curve([(y, x * shape.breadth) for y, x in _TRUNK]),
        left=canvas.curve(BORDER_LEFT),
        right=canvas.curve([(y, x * shape.heart) for y, x in BORDER_RIGHT]),
        domes=canvas.curve([(x, y + shape.dome_shift) for x, y in DOMES]),
        clavicle=canvas.curve([(-x, y) for x, y in _CLAVICLE[:0:-1]] + list(_CLAVICLE)),
        spine=canvas.curve(_SPINE),
        vertebrae=canvas.curve(
            [
                (0.058 * number + at, value)
                for number in range(-11, 12)
                for at, value in ((-0.01, 0.95), (0.0, 1.2), (0.01, 0.95))
            ]
        ),
    )
    attenuation = np.empty(canvas.shape, dtype=np.float32)
    for band in canvas.bands():
        # Ribs run across and organs have soft borders: every other column is enough for them.
        thin = band.thinned()
        air = chord(_lungs(thin, curves), 0.075)
        body = _trunk(thin, shape, curves)
        body += _midline(thin, curves)
        body += _bones(thin, shape, curves)
        body -= 0.42 * air
        part = texture[band.rows]
        part += vessels[band.rows]
        part *= fill_columns(air, canvas.width)
        part += fill_columns(body, canvas.width)
        for lesion in lesions:
            if band.touches(lesion.y - 1.8 * lesion.radius, lesion.y + 1.8 * lesion.radius):
                part += _lesion(band, lesion, patchy[band.rows])
        attenuation[band.rows] = part
    return attenuation


def _trunk(band: Band, shape: ChestShape, curves: _Curves) -> np.ndarray:
    """Muscle, fat and what lies under the diaphragm: float32, [h, W]."""
    y, x = band.y, band.x
    depth = band.within(curves.trunk)
    part = 0.24 * chord(depth, 0.05) + (0.36 * shape.muscle) * chord(depth - 0.012, 0.3)
    if band.touches(0.1, 9.0):
        under = band.below(curves.domes)
        part += 0.20 * chord(under, 0.2) * chord(depth, 0.1)
        bubble = ellipse(y, x, (0.305 + shape.dome_shift, 0.17), (0.03, 0.06))
        part -= 0.17 * chord(bubble, 0.028)
    if shape.breast > 0.02 and band.touches(-0.1, 0.35):
        breast = ellipse(y, np.abs(x), (0.12, 0.235), (0.14, 0.165))
        part += shape.breast * chord(breast, 0.12)
    return part


def _lungs(band: Band, curves: _Curves) -> np.ndarray:
    """Field of both lungs: float32, [h, W]."""
    beside = np.maximum(band.at_y(curves.left) - band.x, band.x - band.at_y(curves.right))
    inside = smooth_min(band.within(curves.cage), beside, 0.02)
    return smooth_min(inside, -band.below(curves.domes), 0.012)


def _bones(band: Band, shape: ChestShape, curves: _Curves) -> np.ndarray:
    """Ribs, clavicles and shoulder blades: float32, [h, W]."""
    y, x = band.y, np.abs(band.x)
    part = np.zeros_like(y)
    if band.touches(-0.42, 0.45):
        part += _ribs(band, x, shape, curves)
    if band.touches(-0.46, -0.2):
        clavicle = 0.0155 + 0.006 * np.abs(x - 0.2) - np.abs(y - band.at_x(curves.clavicle))
        ends = 0.6 * np.minimum(x - 0.022, 0.475 - x)
        part += 0.13 * rim(np.minimum(clavicle, ends), 0.014)
    if band.touches(-0.45, 0.12):
        blade = tapered(y, x, (-0.275, 0.435), (0.30, -0.02), (0.085, 0.016))
        part += 0.035 * chord(blade, 0.05) + 0.02 * rim(blade, 0.014)
    return part


def _ribs(band: Band, x: np.ndarray, shape: ChestShape, curves: _Curves) -> np.ndarray:
    """Ribs as tilted rings: float32, [h, W].

    At the share ``across`` of the cage's half width a rib's back lies ``drop · (1 − depth)``
    and its front ``drop · (1 + depth)`` under its head, with depth² + across² = 1.
    """
    half = band.at_y(curves.cage) + 0.008
    across = x / half
    inside = 1.0 - across * across
    depth = np.sqrt(np.maximum(inside, 0.0009))
    slope = across / depth
    slope /= half
    slope *= shape.rib_drop
    slope *= slope
    slope += 1.0
    normal = shape.rib_spacing / np.sqrt(slope)
    depth *= shape.rib_drop
    back = _rib(band.y + (0.395 - shape.rib_drop) + depth, shape, normal, num_ribs=11)
    front = _rib(band.y + (0.42 - shape.rib_drop) - 1.15 * depth, shape, normal, num_ribs=7)
    front *= (4.5 * across - 2.0).clip(0.0, 0.6)
    back += front
    back *= inside > 0
    back *= (12.0 * across - 1.0).clip(0.0, 1.0)
    if band.touches(-9.0, -0.37):
        back *= (40.0 * (band.y + 0.405)).clip(0.0, 1.0)
    if band.touches(0.2, 9.0):
        back *= (1.0 - 5.0 * (band.y - 0.22)).clip(0.2, 1.0)
    return back


def _rib(height: np.ndarray, shape: ChestShape, normal: np.ndarray, num_ribs: int) -> np.ndarray:
    """One family of ribs: float32, [h, W]."""
    phase = height * (1.0 / shape.rib_spacing)
    phase -= np.rint(phase).clip(0, num_ribs - 1)
    np.abs(phase, out=phase)
    phase *= normal
    return 0.075 * rim(0.0135 - phase, 0.012)


def _midline(band: Band, curves: _Curves) -> np.ndarray:
    """Spine, windpipe and the heart's own density: float32, [h, W]."""
    y, x = band.y, band.x
    part = band.at_x(curves.spine) * band.at_y(curves.vertebrae)
    if band.touches(-9.0, -0.08):
        pipe = 0.019 - np.abs(x + 0.002)
        pipe = np.minimum(pipe, -0.13 - y)
        if band.touches(-0.17, -0.08):
            bronchus = tapered(y, np.abs(x), (-0.145, 0.0), (0.055, 0.06), (0.013, 0.009))
            pipe = np.maximum(pipe, bronchus)
        part -= 0.12 * chord(pipe, 0.015)
    if band.touches(-0.1, 0.35):
        heart = ellipse(y, x - 0.25 * (y - 0.12), (0.12, 0.055), (0.17, 0.125))
        part += 0.13 * chord(heart, 0.12)
    if band.touches(-0.11, 0.04):
        hilum = ellipse(y, np.abs(x), (-0.035, 0.085), (0.075, 0.05))
        part += 0.07 * chord(hilum, 0.05)
    return part


def _lesion(band: Band, lesion: ChestLesion, patchy: np.ndarray) -> np.ndarray:
    """Density of one lesion: float32, [h, W]."""
    down, across = band.y - lesion.y, band.x - lesion.x
    distance = np.sqrt(down * down + across * across) * (1.0 / lesion.radius)
    if lesion.name == "nodule":
        ball = (1.0 - distance * distance + 0.06 * patchy).clip(0.0, 1.0)
        return lesion.density * np.sqrt(ball * np.sqrt(ball))
    haze = np.exp(-1.5 * distance * distance * distance)
    return lesion.density * haze * (0.9 + 0.18 * patchy)


def _draw_vessels(canvas: Canvas, shape: ChestShape) -> np.ndarray:
    """Vessels that branch from both hila: float32, [H, W]."""
    rng = np.random.default_rng(shape.vessels)
    picture = Image.new("L", (canvas.width, canvas.height), 0)
    pen = ImageDraw.Draw(picture)
    scale = canvas.side_px / 512
    for sign in (-1, 1):
        angles = np.linspace(-1.4, 1.35, 8) + rng.uniform(-0.18, 0.18, 8)
        tips = np.column_stack(
            [-0.04 + 0.05 * np.sin(angles), sign * (0.068 + 0.02 * np.cos(angles))]
        )
        for width_px, brightness in ((6.0, 170), (4.4, 150), (3.0, 125), (2.0, 100), (1.4, 75)):
            length = 0.055 * rng.uniform(0.5, 1.3, len(tips))
            ends = tips + np.column_stack([np.sin(angles), sign * np.cos(angles)]) * length[:, None]
            # Pillow counts from the middle of the first pixel.
            lines_px = np.hstack([canvas.to_pixels(tips), canvas.to_pixels(ends)]) - 0.5
            for y0, x0, y1, x1 in lines_px.tolist():
                pen.line((x0, y0, x1, y1), fill=brightness, width=max(1, round(scale * width_px)))
            spread = rng.uniform(0.05, 0.5, len(ends))
            lean = rng.uniform(-0.25, 0.25, len(ends))
            tips = np.concatenate([ends, ends])
            angles = np.concatenate([angles + lean - spread, angles + lean + spread])
            kept = rng.random(len(tips)) < 0.82
            tips, angles = tips[kept], angles[kept]
    return np.asarray(picture, dtype=np.float32) * np.float32(0.17 / 255)
