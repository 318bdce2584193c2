"""Shapes as fields: distances from an outline in, thickness of what a ray crosses out.

Every function works on arrays of any shape; ``knee`` and ``chest`` combine them.
"""

from __future__ import annotations

import numpy as np

__all__ = ["chord", "ellipse", "line", "rim", "smooth_max", "smooth_min", "tapered"]


def smooth_min(a: np.ndarray, b: np.ndarray, radius: float) -> np.ndarray:
    """Intersect two shapes with a rounded corner (Quilez' polynomial smooth minimum).

    Parameters
    ----------
    a, b : numpy.ndarray, float32
        Distances, positive inside.
    radius : float
        Of the rounding.

    Returns
    -------
    numpy.ndarray, float32
    """
    overlap = np.abs(a - b)
    overlap *= -1.0 / radius
    overlap += 1.0
    np.maximum(overlap, 0.0, out=overlap)
    overlap *= overlap
    overlap *= -0.25 * radius
    overlap += np.minimum(a, b)
    return overlap


def smooth_max(a: np.ndarray, b: np.ndarray, radius: float) -> np.ndarray:
    """Join two shapes with a filled corner; parameters as :func:`smooth_min`."""
    return -smooth_min(-a, -b, radius)


def chord(distance: np.ndarray, radius: float) -> np.ndarray:
    """Give the length of a ray through a round body, as a share of its diameter.

    Parameters
    ----------
    distance : numpy.ndarray, float32
        From the body's outline, positive inside.
    radius : float
        Depth at which the body has its full thickness.

    Returns
    -------
    numpy.ndarray, float32
        0 outside, 1 at ``radius`` and deeper.
    """
    depth = distance * (1.0 / radius)
    depth.clip(0.0, 1.0, out=depth)
    depth *= 2.0 - depth
    return np.sqrt(depth, out=depth)


def rim(distance: np.ndarray, radius: float) -> np.ndarray:
    """Give the thickness of a tube with a dense wall: brightest a little inside of its edge.

    Parameters
    ----------
    distance : numpy.ndarray, float32
        From the tube's outline, positive inside.
    radius : float
        Depth of the tube's middle.

    Returns
    -------
    numpy.ndarray, float32
        0 outside, 1.47 at 0.45 ``radius``, 1 in the middle.
    """
    depth = distance * (1.0 / radius)
    depth.clip(0.0, 1.0, out=depth)
    # The cubic through 0 and 1 that is flat at 1.
    thickness = 5.7 * depth
    thickness -= 12.4
    thickness *= depth
    thickness += 7.7
    thickness *= depth
    return thickness


def line(distance: np.ndarray, breadth: float) -> np.ndarray:
    """Draw a soft line where a field is 0.

    Parameters
    ----------
    distance : numpy.ndarray, float32
        From the line.
    breadth : float
        Distance at which a quarter is left.

    Returns
    -------
    numpy.ndarray, float32
        0 to 1.
    """
    offset = distance * (1.0 / breadth)
    offset *= offset
    offset += 1.0
    offset *= offset
    return np.reciprocal(offset, out=offset)


def ellipse(
    y: np.ndarray, x: np.ndarray, centre: tuple[float, float], radii: tuple[float, float]
) -> np.ndarray:
    """Give roughly the distance from an upright ellipse's outline, positive inside.

    Parameters
    ----------
    y, x : numpy.ndarray, float32
        Coordinates.
    centre, radii : (float, float)
        Along y and x.

    Returns
    -------
    numpy.ndarray, float32
        Exact on a circle.
    """
    down = (y - centre[0]) * (1.0 / radii[0])
    across = (x - centre[1]) * (1.0 / radii[1])
    down *= down
    across *= across
    down += across
    np.sqrt(down, out=down)
    return (1.0 - down) * min(radii)


def tapered(
    y: np.ndarray,
    x: np.ndarray,
    root: tuple[float, float],
    step: tuple[float, float],
    radii: tuple[float, float],
) -> np.ndarray:
    """Give the distance inside a finger that becomes thinner towards its tip.

    Parameters
    ----------
    y, x : numpy.ndarray, float32
        Coordinates.
    root, step : (float, float)
        Where it starts and the way to its tip, y before x.
    radii : (float, float)
        At root and tip.

    Returns
    -------
    numpy.ndarray, float32
        Positive inside.
    """
    down, across = y - root[0], x - root[1]
    share = (down * step[0] + across * step[1]) * (1.0 / (step[0] ** 2 + step[1] ** 2))
    share.clip(0.0, 1.0, out=share)
    down -= share * step[0]
    across -= share * step[1]
    down *= down
    across *= across
    down += across
    share *= radii[1] - radii[0]
    share += radii[0]
    return share - np.sqrt(down, out=down)
