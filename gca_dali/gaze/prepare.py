"""Images and maps to the sizes of the predictor.

Enters: a grey image or a map of any size. Leaves: a square float32 image that covers the whole
original, or a map of the predictor's cells with the same mass. Next: `fit` or `predictor`.
"""

from __future__ import annotations

import numpy as np

CHUNK = 16
"""Images per call of the network. Every call has this shape, filled up with zeros, because a
convolution over another number of images may add in another order and differ in the last bits.
With 16, 1 to 16 threads of an x86 CPU agreed to the bit at 96 to 224 px; with 1, 4 or 8 they did
not."""


def prepare_image(image: np.ndarray, side_px: int) -> np.ndarray:
    """Resize an image to a square and scale its range to [0, 1].

    The whole image is kept: what is not square is squeezed, so cells of the map and shares of the
    image correspond. Antialiased bilinear filter.

    Parameters
    ----------
    image : numpy.ndarray, uint8 | uint16 | float, [H, W]
        Any range of values.
    side_px : int
        Side of the result.

    Returns
    -------
    numpy.ndarray, float32, [side_px, side_px]
        Minimum 0 and maximum 1; zeros for a constant image.

    Raises
    ------
    ValueError
        Where the image is no plane.
    """
    if image.ndim != 2 or image.size == 0:
        raise ValueError(
            f"image must be a grey plane [H, W], got shape {list(image.shape)}. Convert it to grey."
        )
    from PIL import Image

    resized = Image.fromarray(image.astype(np.float32)).resize(
        (side_px, side_px), Image.Resampling.BILINEAR
    )
    plane = np.asarray(resized, np.float32)
    low, high = plane.min(), plane.max()
    return (plane - low) / (high - low) if high > low else np.zeros_like(plane)


def resize_map(saliency: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Share the mass of a map out over another grid, by the overlap of their cells.

    Parameters
    ----------
    saliency : numpy.ndarray, float, [mh, mw]
        Non-negative.
    shape : tuple of int
        Rows and columns of the result.

    Returns
    -------
    numpy.ndarray, float64, [shape]
        Its sum is that of the input.
    """
    down, across = (_overlap(old, new) for old, new in zip(saliency.shape, shape, strict=True))
    return down @ np.asarray(saliency, np.float64) @ across.T


def _overlap(num_old: int, num_new: int) -> np.ndarray:
    """Return the share of each old cell that lies in each new one, float64, [new, old]."""
    old = np.arange(num_old + 1) / num_old
    new = np.arange(num_new + 1) / num_new
    inside = np.minimum(new[1:, None], old[1:]) - np.maximum(new[:-1, None], old[:-1])
    return np.clip(inside, 0, None) * num_old
