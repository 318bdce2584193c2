"""Maps of one size, addressed by sample index: the form in which the loader reads attention.

Enters: maps of any size, float. Leaves: `SaliencyTable`, uint8, [M, 64, 64]. Next: `steps.saliency`
makes it of whatever a user names; `predicted` fills one as images are met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MAP_SHAPE = (64, 64)
# A quarter of each side: about two thirds of the mass lie within half of each side.
CENTRE_SIGMA = 0.25


@dataclass(frozen=True)
class SaliencyTable:
    """Maps of all samples.

    Attributes
    ----------
    maps : numpy.ndarray, uint8, [M, h, w]
        Each scaled to a maximum of 255; a map of zeros weighs nothing.
    row : numpy.ndarray, int64, [N]
        The map of each sample.
    """

    maps: np.ndarray
    row: np.ndarray

    def take(self, index: np.ndarray, images: Sequence[Any] | None = None) -> np.ndarray:
        """Return the maps of some samples, uint8, [B, h, w].

        `images`, B × [H, W], are for tables that predict what they lack.
        """
        return self.maps[self.row[index]]


def check_map(saliency: np.ndarray, name: str) -> np.ndarray:
    """Return a map as float32, [h, w]; raise ValueError if it is none."""
    saliency = np.asarray(saliency, np.float32)
    if saliency.ndim != 2 or saliency.size == 0:
        raise ValueError(
            f"the saliency map of {name} must have the shape [h, w], got {list(saliency.shape)}."
        )
    if not np.isfinite(saliency).all() or saliency.min() < 0:
        raise ValueError(
            f"the saliency map of {name} must be finite and not negative, got values from "
            f"{saliency.min()} to {saliency.max()}. Clip or remake it."
        )
    return saliency


def quantise_maps(maps) -> np.ndarray:
    """Return maps of any size as uint8, [M, 64, 64], each scaled to a maximum of 255."""
    import torch
    from torch.nn.functional import interpolate

    quantised = []
    for saliency in maps:
        if saliency.shape != MAP_SHAPE:
            shrunk = interpolate(
                torch.from_numpy(np.ascontiguousarray(saliency))[None, None],
                MAP_SHAPE,
                mode="bilinear",
                antialias=True,
            )
            saliency = shrunk[0, 0].numpy()
        greatest = float(saliency.max())
        scale = 255.0 / greatest if greatest > 0 else 0.0
        quantised.append(np.floor(saliency.astype(np.float64) * scale + 0.5).astype(np.uint8))
    return np.stack(quantised)


def centre_map(shape: tuple[int, int] = MAP_SHAPE) -> np.ndarray:
    """Return the centre prior, float32, [h, w]: a Gaussian of a quarter of each side."""
    y, x = (((np.arange(n) + 0.5) / n - 0.5) / CENTRE_SIGMA for n in shape)
    return np.exp(-0.5 * (y[:, None] ** 2 + x[None, :] ** 2)).astype(np.float32)


def mean_map(maps: np.ndarray) -> np.ndarray:
    """Return the mean of quantised maps, each weighing the same in sum, as uint8, [h, w]."""
    sums = np.maximum(maps.sum(axis=(1, 2), keepdims=True, dtype=np.float64), 1.0)
    return quantise_maps([(maps / sums).mean(axis=0).astype(np.float32)])[0]
