"""From attenuation to an exposed image: scatter, sharpening, gradient, noise, marker, depth.

An attenuation field enters, a uint8 or uint16 image leaves.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gca_dali.phantoms.band import BAND_PIXELS
from gca_dali.phantoms.fields import tapered
from gca_dali.phantoms.texture import SmoothField, block_means, clouds, grain

__all__ = ["add_marker", "expose", "quantise"]

# Strokes of the side markers in a box of height 1, y down: points of a polyline.
_STROKES = {
    "L": ((0.0, 0.0), (1.0, 0.0), (1.0, 0.55)),
    "R": (
        (1.0, 0.0),
        (0.0, 0.0),
        (0.0, 0.36),
        (0.1, 0.5),
        (0.4, 0.5),
        (0.5, 0.36),
        (0.5, 0.0),
        (0.5, 0.22),
        (1.0, 0.56),
    ),
}


def expose(attenuation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn attenuation into the brightness of a processed radiograph.

    Parameters
    ----------
    attenuation : numpy.ndarray, float32, [H, W]
        Line integral: 0 for air, about 1 for bone or the mediastinum.
    rng : numpy.random.Generator
        Advanced.

    Returns
    -------
    numpy.ndarray, float32, [H, W]
        0 (black) to 1 (white).
    """
    height, width = attenuation.shape
    roughness, contrast, middle = rng.uniform((0.009, 3.6, 0.52), (0.016, 4.6, 0.60)).tolist()
    veil = SmoothField(_veil(attenuation, rng), attenuation.shape)
    image = np.empty_like(attenuation)
    num_rows = max(1, BAND_PIXELS // width)
    for start in range(0, height, num_rows):
        stop = min(start + num_rows, height)
        rows = slice(max(0, start - 1), min(height, stop + 1))
        part = 1.19 * attenuation[rows]
        part += veil[rows]
        part = _soften(part[np.clip(np.arange(start - 1, stop + 1), 0, height - 1) - rows.start])
        # Fewer quanta arrive behind dense parts: noise of the logarithm grows as exp(att / 2).
        noise = grain(rng, part.shape)
        noise *= np.exp(0.9 * part)
        noise *= roughness
        part += noise
        image[start:stop] = _tone(part, contrast, middle)
    return image


def _veil(attenuation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Knots of what changes slowly over the image: float32, [34, 34].

    Unsharp masking as the makers' processing does it takes the local mean away, scattered
    rays add the wide mean, and the beam is stronger at one side.
    """
    fine = block_means(attenuation, 34)
    wide = SmoothField(block_means(fine, 7), fine.shape)[:]
    uneven = clouds(rng, fine.shape, [(6, 6, 0.012)])[:]
    top, left = rng.uniform(-0.06, 0.06, 2)
    ramp = np.linspace(1, -1, 34)
    return (0.16 * wide - 0.35 * fine + uneven + top * ramp[:, None] + left * ramp).astype(
        np.float32
    )


def _soften(padded: np.ndarray) -> np.ndarray:
    """Blur by the detector's cells, weights 1 2 1: [h + 2, W] in, float32, [h, W] out."""
    part = 2.0 * padded[1:-1]
    part += padded[:-2]
    part += padded[2:]
    softened = part * (1 / 8)
    part *= 1 / 16
    softened[:, 1:] += part[:, :-1]
    softened[:, :-1] += part[:, 1:]
    softened[:, 0] += part[:, 0]
    softened[:, -1] += part[:, -1]
    return softened


def _tone(image: np.ndarray, contrast: float, middle: float) -> np.ndarray:
    """Apply the S-shaped display curve: float32, [H, W], 0 to 1."""
    curve = image * -contrast
    curve += contrast * middle
    np.exp(curve, out=curve)
    curve += 1.0
    np.reciprocal(curve, out=curve)
    darkest = float(1.0 / (1.0 + np.exp(contrast * middle)))
    curve -= darkest
    curve *= 1.0 / (1.0 - darkest) / 0.93
    return curve.clip(0.0, 1.0, out=curve)


def add_marker(image: np.ndarray, letter: str, y: float, x: float, size: float) -> None:
    """Draw a lead side marker into an exposed image.

    Parameters
    ----------
    image : numpy.ndarray, float32, [H, W]
        Changed in place.
    letter : str
        ``"L"`` or ``"R"``.
    y, x, size : float
        Top-left corner as a share of height and width; height of the letter as a share of
        the shorter side.
    """
    height, width = image.shape
    size_px = size * min(height, width)
    y_px, x_px, pad_px = y * height, x * width, 0.3 * size_px
    rows = slice(max(0, int(y_px - pad_px)), min(height, int(y_px + size_px + pad_px) + 1))
    columns = slice(max(0, int(x_px - pad_px)), min(width, int(x_px + size_px) + 1))
    pixels = np.mgrid[rows, columns] + 0.5
    down, across = (pixels[0] - y_px) / size_px, (pixels[1] - x_px) / size_px
    strokes = _STROKES[letter]
    ink = np.maximum.reduce(
        [
            tapered(down, across, start, (end[0] - start[0], end[1] - start[1]), (0.085, 0.085))
            for start, end in pairwise(strokes)
        ]
    )
    ink = (ink * size_px + 0.5).clip(0.0, 1.0).astype(np.float32)
    image[rows, columns] += ink * (0.98 - image[rows, columns])


def quantise(image: np.ndarray, bits: int) -> np.ndarray:
    """Store brightness 0 to 1 over the full range of 8 or 16 bits.

    Parameters
    ----------
    image : numpy.ndarray, float32, [H, W]
        0 to 1.
    bits : int
        8 or 16.

    Returns
    -------
    numpy.ndarray, uint8 or uint16, [H, W]
    """
    dtype = np.uint8 if bits == 8 else np.uint16
    return (image * np.float32(2**bits - 1) + np.float32(0.5)).astype(dtype)
