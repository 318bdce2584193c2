"""Inputs of the kernels' benchmarks: maps like gaze, images like radiographs."""

from __future__ import annotations

import numpy as np


def gaze_maps(count: int, side: int = 64) -> np.ndarray:
    """Return maps of three Gaussian spots each, σ of 3 to 8 % of the side, uint8, [N, h, w]."""
    rng = np.random.default_rng(0)
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    maps = np.zeros((count, side, side))
    for saliency in maps:
        for _ in range(3):
            centre_y, centre_x = rng.uniform(0.25, 0.75, 2)
            sigma = rng.uniform(0.03, 0.08)
            squared = (y - centre_y) ** 2 + (x - centre_x) ** 2
            saliency += rng.uniform(0.4, 1.0) * np.exp(-squared / (2 * sigma**2))
    maps *= 255 / maps.max(axis=(1, 2), keepdims=True)
    return np.rint(maps).astype(np.uint8)


def smooth_image(shape: tuple[int, int], dtype: str) -> np.ndarray:
    """Return an image of waves and noise over the range of `dtype`, [H, W]."""
    rng = np.random.default_rng(0)
    y, x = np.linspace(0, 9, shape[0])[:, None], np.linspace(0, 7, shape[1])[None, :]
    values = 0.5 + 0.3 * np.sin(y) * np.cos(x) + 0.02 * rng.standard_normal(shape)
    return np.rint(np.clip(values, 0, 1) * np.iinfo(dtype).max).astype(dtype)
