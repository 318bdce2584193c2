"""The joint line of a knee X-ray, found in the image alone.

Enters: an antero-posterior knee radiograph that fills the image. Leaves: `KneeAnatomy`, the dark
gap between condyles and plateau, its margins and its width on both sides. Next: the simulated
reader looks there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WORK_PX = 224
"""Longer side at which the anatomy is found; a larger image is shrunk first."""


@dataclass(frozen=True)
class KneeAnatomy:
    """Where the joint lies.

    Attributes
    ----------
    line_y_px : numpy.ndarray, float64, [W]
        Height of the joint line in each column of the image, in pixels.
    margin_x_px : tuple of float
        Left and right end of the tibial plateau.
    gap_px : tuple of float
        Median height of the dark gap in the left and right compartment.
    size : tuple of int
        Height and width of the image in pixels.
    inverted : bool
        True where bone is dark: a negative.
    score : float
        Mean depth of the gap along the line, as a share of the image's range of grey.
    """

    line_y_px: np.ndarray
    margin_x_px: tuple[float, float]
    gap_px: tuple[float, float]
    size: tuple[int, int]
    inverted: bool
    score: float

    def line_at(self, x_px: np.ndarray) -> np.ndarray:
        """Return the height of the joint line at the columns `x_px`, linear in between."""
        return np.interp(x_px, np.arange(self.size[1]) + 0.5, self.line_y_px)


def find_knee(image: np.ndarray) -> KneeAnatomy:
    """Find the joint line, the ends of the plateau and the width of the gap.

    The line is the path from left to right along which the image is darkest compared with what lies
    above and below (dynamic programming, one row per column at most). A first path gives the tilt
    of the plateau by a robust fit over the compartments; a second one may leave it only a little,
    except in the notch. Side and grade of the knee are not used.

    Parameters
    ----------
    image : numpy.ndarray, uint8 | uint16 | float, [H, W]
        Bone bright, or dark: then the border is brighter than the middle and the image is inverted.

    Raises
    ------
    ValueError
        Where the image is smaller than 32 pixels or is no plane.
    """
    if image.ndim != 2 or min(image.shape) < 32:
        raise ValueError(
            f"image must be a plane of at least 32×32 pixels, got shape {list(image.shape)}. "
            f"Use the original image."
        )
    plane, inverted = _normalise(_shrink(image))
    height, width = plane.shape
    depth = _gap_depth(plane)
    rows, columns, score = _trace_line(depth)
    line = np.interp(np.arange(width), columns, rows)
    margins = _find_margins(plane, line)
    gaps = _measure_gaps(plane, line, margins)
    zoom_y, zoom_x = image.shape[0] / height, image.shape[1] / width
    fine = (np.arange(image.shape[1]) + 0.5) / zoom_x - 0.5
    return KneeAnatomy(
        line_y_px=(np.interp(fine, np.arange(width), line) + 0.5) * zoom_y,
        margin_x_px=((margins[0] + 0.5) * zoom_x, (margins[1] + 0.5) * zoom_x),
        gap_px=(gaps[0] * zoom_y, gaps[1] * zoom_y),
        size=(image.shape[0], image.shape[1]),
        inverted=inverted,
        score=float(score),
    )


def _shrink(image: np.ndarray) -> np.ndarray:
    """Return the image as float64 with its longer side at `WORK_PX` or below."""
    scale = WORK_PX / max(image.shape)
    if scale >= 1:
        return image.astype(np.float64)
    from PIL import Image

    size = (max(round(image.shape[1] * scale), 16), max(round(image.shape[0] * scale), 16))
    resized = Image.fromarray(image.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized, np.float64)


def _normalise(plane: np.ndarray) -> tuple[np.ndarray, bool]:
    """Stretch the 2nd to 98th percentile to [0, 1] and turn a negative into a positive."""
    low, high = np.percentile(plane, [2, 98])
    plane = np.clip((plane - low) / max(high - low, 1e-9), 0, 1)
    width = plane.shape[1]
    edge = max(width // 32, 1)
    border = (plane[:, :edge].mean() + plane[:, -edge:].mean()) / 2
    # Of 1,200 knees of the OAI set 14 are negatives: border − middle > 0.36, all others < −0.26.
    inverted = bool(border > plane[:, width // 3 : -(width // 3)].mean())
    return (1 - plane if inverted else plane), inverted


def _blur(plane: np.ndarray, sigma: float, axis: int) -> np.ndarray:
    """Blur along one axis with a Gaussian cut at 3 sigma, edges repeated."""
    radius = max(round(3 * sigma), 1)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-6)) ** 2)
    padding = [(radius, radius) if i == axis else (0, 0) for i in range(2)]
    padded = np.pad(plane, padding, mode="edge")
    taps = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=axis)
    return taps @ (weights / weights.sum())


def _gap_depth(plane: np.ndarray) -> np.ndarray:
    """Return by how much each pixel is darker than the pixels above and below, best of 3 widths."""
    height, width = plane.shape
    smooth = _blur(_blur(plane, 0.012 * height, 0), 0.02 * width, 1)
    depth = np.full_like(smooth, -1.0)
    for share in (0.025, 0.04, 0.055):
        step = max(round(share * height), 1)
        padded = np.pad(smooth, ((step, step), (0, 0)), mode="edge")
        depth = np.maximum(depth, np.minimum(padded[: -2 * step], padded[2 * step :]) - smooth)
    # The blur puts the maximum of a wide flat gap at its middle.
    return _blur(depth, 0.012 * height, 0)


def _trace_line(depth: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return rows, columns and mean depth of the joint line."""
    height, width = depth.shape
    top, bottom = int(0.30 * height), int(0.75 * height)
    columns = np.arange(int(0.08 * width), int(0.92 * width))
    # Saturation keeps one very dark spot from pulling the line off a faint gap.
    score = 0.2 * np.tanh(np.maximum(depth[top:bottom, columns], -0.05) / 0.2)
    compartment = np.abs(columns / width - 0.5) > 0.13
    first = _best_path(score)
    plateau = _fit_plateau(first, score, columns / width - 0.5, compartment, 0.03 * height)
    away = (np.arange(bottom - top)[:, None] - plateau) / (0.04 * height)
    penalty = 0.04 * np.minimum(away**2, 9)
    penalty[:, ~compartment] *= away[:, ~compartment] > 0
    second = _best_path(score - penalty)
    found = score[second, np.arange(len(columns))].mean()
    return second + top, columns, float(found)


def _best_path(score: np.ndarray) -> np.ndarray:
    """Return the rows of the path of largest score that moves one row per column at most."""
    num_columns = score.shape[1]
    total = score[:, 0].copy()
    step = np.zeros(score.shape, np.int64)
    bend = np.array([0.002, 0.0, 0.002])[:, None]
    for column in range(1, num_columns):
        padded = np.pad(total, 1, constant_values=-np.inf)
        came = np.stack([padded[:-2], padded[1:-1], padded[2:]]) - bend
        step[:, column] = came.argmax(0) - 1
        total = came.max(0) + score[:, column]
    path = np.empty(num_columns, np.int64)
    path[-1] = total.argmax()
    for column in range(num_columns - 1, 0, -1):
        path[column - 1] = path[column] + step[path[column], column]
    return path


def _fit_plateau(
    path: np.ndarray, score: np.ndarray, u: np.ndarray, compartment: np.ndarray, spread: float
) -> np.ndarray:
    """Fit a tilted straight line to the path over the compartments, deep gaps counting more."""
    found = score[path, np.arange(len(path))]
    weight = np.where(compartment, np.clip(found, 0, 0.2) ** 2, 0) + 1e-9
    design = np.stack([np.ones_like(u), u], axis=1)
    line = path.astype(np.float64)
    robust = weight
    for _ in range(4):
        normal = (design * robust[:, None]).T @ design
        normal[1, 1] += 0.02 * robust.sum()
        line = design @ np.linalg.solve(normal, (design * robust[:, None]).T @ path)
        robust = weight / (1 + ((path - line) / spread) ** 2)
    return line


def _find_margins(plane: np.ndarray, line: np.ndarray) -> tuple[int, int]:
    """Return the columns where the bone beside the joint line begins and ends."""
    height, width = plane.shape
    smooth = _blur(_blur(plane, 0.01 * height, 0), 0.01 * width, 1)
    below = np.arange(height)[:, None] - line
    tibia, femur = (
        (smooth * band).sum(0) / np.maximum(band.sum(0), 1)
        for band in (
            (below > 0.05 * height) & (below < 0.16 * height),
            (below < -0.05 * height) & (below > -0.16 * height),
        )
    )
    bone = 0.7 * tibia + 0.3 * femur
    inside, outside, search = round(0.07 * width), round(0.03 * width), round(0.30 * width)

    def first_edge(profile: np.ndarray) -> int:
        total = np.concatenate([[0], np.cumsum(profile)])
        x = np.arange(outside, search)
        bright = (total[x + inside] - total[x]) / inside
        dark = (total[x] - total[x - outside]) / outside
        return int(x[np.argmax(bright - dark)])

    return first_edge(bone), width - 1 - first_edge(bone[::-1])


def _measure_gaps(
    plane: np.ndarray, line: np.ndarray, margins: tuple[int, int]
) -> tuple[float, float]:
    """Return the median height of the gap at half depth in the left and right compartment."""
    height, width = plane.shape
    smooth = _blur(_blur(plane, 0.008 * height, 0), 0.01 * width, 1)
    reach = max(round(0.09 * height), 2)
    gap = np.empty(width)
    for x in range(width):
        y = int(np.clip(line[x], reach, height - reach - 1))
        up, down = smooth[y - reach + 1 : y + 1, x][::-1], smooth[y : y + reach, x]
        gap[x] = sum(int(np.argmax(side >= (side[0] + side.max()) / 2)) for side in (up, down))
    left, right = margins
    span = right - left
    inner = [(left + 0.12 * span, left + 0.34 * span), (right - 0.34 * span, right - 0.12 * span)]
    first, second = (float(np.median(gap[int(a) : int(b) + 1])) for a, b in inner)
    return max(first, 1.0), max(second, 1.0)
