"""Maps of one size, addressed by sample index: the form in which the loader reads attention.

Enters: maps of any size, float. Leaves: `SaliencyTable`, uint8, [M, 64, 64]. Next: `steps.saliency`
makes it of whatever a user names; `predicted` fills one as images are met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
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
        The map of each sample; other integers are converted.

    Raises
    ------
    TypeError, ValueError
        If maps or rows have another type or shape, or a row has no map.
    """

    maps: np.ndarray
    row: np.ndarray

    def __post_init__(self) -> None:
        """Refuse what the kernels, which read both by address, would take for something else."""
        if self.maps.dtype != np.uint8 or self.maps.ndim != 3:
            raise TypeError(
                f"maps must be uint8 [M, h, w], got {self.maps.dtype} {list(self.maps.shape)}. "
                "quantise_maps makes them."
            )
        if self.row.dtype.kind not in "iu" or self.row.ndim != 1:
            raise TypeError(
                f"row must be integers [N], got {self.row.dtype} {list(self.row.shape)}. "
                "Give the number of each sample's map."
            )
        least, greatest = (self.row.min(), self.row.max()) if len(self.row) else (0, -1)
        if least < 0 or greatest >= len(self.maps):
            raise ValueError(
                f"row must be 0 to {len(self.maps) - 1}, got {least} to {greatest}. "
                "Give the number of each sample's map."
            )
        object.__setattr__(self, "row", np.ascontiguousarray(self.row, np.int64))

    @cached_property
    def fingerprint(self) -> str:
        """BLAKE2b over the maps and who has which, 32 hex digits."""
        digest = blake2b(f"{self.maps.shape}".encode(), digest_size=16)
        digest.update(np.ascontiguousarray(self.maps).data)
        digest.update(self.row.data)
        return digest.hexdigest()

    def take(self, index: np.ndarray, images: Sequence[Any] | None = None) -> np.ndarray:
        """Return the maps of some samples, uint8, [B, h, w].

        `images`, B × [H, W], are for tables that predict what they lack.
        """
        return self.maps[self.rows(index)]

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Return which maps those of some samples are, int64, [B]."""
        return self.row[index]


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
