"""Images and maps to the sizes of the predictor.

Enters: a grey image or a map of any size. Leaves: a square float32 image that covers the whole
original, or a map of the predictor's cells with the same mass. Next: `fit` or `predictor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

CHUNK = 16
"""Images per call of the network. Every call has this shape, filled up with zeros, because a
convolution over another number of images may add in another order and differ in the last bits.
With 16, 1 to 16 threads of an x86 CPU agreed to the bit at 96 to 224 px; with 1, 4 or 8 they did
not."""


def prepare_image(image: np.ndarray, side_px: int) -> np.ndarray:
    """Resize an image to a square and scale its range to [0, 1]; see `prepare_plane`.

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
    return prepare_plane(as_tensor(image), side_px).numpy()


def as_tensor(image: Any) -> torch.Tensor:
    """Return an array of NumPy, torch or whatever else speaks DLPack as a tensor, where it lies."""
    import torch

    if not isinstance(image, np.ndarray):
        return torch.from_dlpack(image)
    # torch warns of arrays that it must not write to, and knows no negative strides.
    sound = image.flags.writeable and image.flags.c_contiguous
    return torch.from_numpy(image if sound else image.copy())


def prepare_plane(image: torch.Tensor, side_px: int) -> torch.Tensor:
    """Resize an image to a square and scale its range to [0, 1], where it lies.

    The whole image is kept: what is not square is squeezed, so cells of the map and shares of the
    image correspond. Antialiased bilinear filter.

    Parameters
    ----------
    image : torch.Tensor, uint8 | uint16 | float, [H, W]
        Any range of values, on any device.
    side_px : int
        Side of the result.

    Returns
    -------
    torch.Tensor, float32, [side_px, side_px]
        Minimum 0 and maximum 1; zeros for a constant image.

    Raises
    ------
    ValueError
        Where the image is no plane.
    """
    import torch
    from torch.nn.functional import interpolate

    if image.ndim != 2 or image.numel() == 0:
        raise ValueError(
            f"image must be a grey plane [H, W], got shape {list(image.shape)}. Convert it to grey."
        )
    plane = interpolate(
        image.to(torch.float32)[None, None],
        (side_px, side_px),
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )[0, 0]
    low, high = plane.min(), plane.max()
    # What rounding leaves of a constant image is no contrast; one level of 16 bits is 1.5e-5.
    least = 1e-6 * torch.maximum(low.abs(), high.abs()) + 1e-30
    return (plane - low) / torch.where(high - low > least, high - low, torch.inf)


def quantise_peaks(maps: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Return maps as the loader's table holds them.

    Parameters
    ----------
    maps : torch.Tensor, float32, [B, mh, mw]
        Non-negative, with mass.
    shape : tuple of int
        Rows and columns of the result.

    Returns
    -------
    torch.Tensor, uint8, [B, *shape]
        Maximum 255 each, on the device of `maps`.
    """
    import torch
    from torch.nn.functional import interpolate

    if maps.shape[1:] != shape:
        maps = interpolate(maps[:, None], shape, mode="bilinear", antialias=True)[:, 0]
    peak = maps.amax((1, 2), keepdim=True)
    return (maps / peak * 255 + 0.5).floor().to(torch.uint8)


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
