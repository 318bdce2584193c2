"""Geometric and intensity augmentation of images together with their maps.

Enters: a batch of images and maps. Leaves: the same batch moved, flipped, turned and re-exposed;
each map still sums to 1. Next: the network in `fit`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How far a training image is changed; every number is the end of a uniform range.

    Attributes
    ----------
    flip : bool
        Left and right may be exchanged: right for single joints, wrong where sides mean something.
    shift : float
        Of the image's side, along y and x.
    zoom : float
        Natural logarithm of the factor, up or down.
    rotation_degrees : float
        Either way.
    brightness, contrast : float
        Added to the grey value, and the logarithm of the factor about ½; clipped to [0, 1] after.
    gamma : float
        Logarithm of the exponent.
    invert : float
        Probability that bone turns dark; 14 of 1,200 OAI knees come as negatives.
    """

    flip: bool = False
    shift: float = 0.06
    zoom: float = 0.12
    rotation_degrees: float = 8.0
    brightness: float = 0.1
    contrast: float = 0.3
    gamma: float = 0.4
    invert: float = 0.05

    def __post_init__(self) -> None:
        """Refuse ranges below zero and an impossible probability."""
        for name in ("shift", "zoom", "rotation_degrees", "brightness", "contrast", "gamma"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name} must be at least 0, got {getattr(self, name)}. Use 0 to turn it off."
                )
        if not 0 <= self.invert <= 1:
            raise ValueError(f"invert must be a probability, got {self.invert}. Use 0 for never.")

    def apply(
        self, images: torch.Tensor, maps: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Change a batch; image and map of a pair move alike.

        Parameters
        ----------
        images : torch.Tensor, float32, [B, 1, h, w]
            In [0, 1].
        maps : torch.Tensor, float32, [B, mh, mw]
            Each of sum 1; mass that leaves the image is lost and the rest scaled up.
        generator : torch.Generator
            On the CPU, so that every device draws alike; advanced.

        Returns
        -------
        images, maps : torch.Tensor
            New tensors of the same shapes.
        """
        matrix = self._draw_geometry(len(images), generator).to(images.device)
        moved = _warp(images, matrix, "border").clamp(0, 1)
        saliency = _warp(maps[:, None], matrix, "zeros")[:, 0].clamp_min(0)
        total = saliency.sum((1, 2), keepdim=True)
        saliency = torch.where(total > 1e-6, saliency / total.clamp_min(1e-6), maps)
        return self._expose(moved, generator), saliency

    def _draw_geometry(self, num: int, generator: torch.Generator) -> torch.Tensor:
        """Draw affine matrices from output to input coordinates, float32, [num, 2, 3]."""
        draw = torch.rand(num, 5, generator=generator) * 2 - 1
        angle = draw[:, 0] * math.radians(self.rotation_degrees)
        scale = torch.exp(draw[:, 1] * self.zoom)
        mirror = torch.where((draw[:, 2] < 0) & torch.tensor(self.flip), -1.0, 1.0)
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        # Coordinates run from −1 to 1, so a shift of the side counts twice.
        shift = draw[:, 3:] * 2 * self.shift
        rows = [
            torch.stack([cos * mirror, -sin, shift[:, 0]], dim=1),
            torch.stack([sin * mirror, cos, shift[:, 1]], dim=1),
        ]
        return torch.stack(rows, dim=1)

    def _expose(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Change brightness, contrast and gamma, and invert now and then."""
        draw = torch.rand(len(images), 4, 1, 1, generator=generator).to(images.device)
        span = draw * 2 - 1
        gamma = torch.exp(span[:, 0:1] * self.gamma)
        factor = torch.exp(span[:, 1:2] * self.contrast)
        offset = span[:, 2:3] * self.brightness
        exposed = ((images**gamma - 0.5) * factor + 0.5 + offset).clamp(0, 1)
        return torch.where(draw[:, 3:4] < self.invert, 1 - exposed, exposed)


def _warp(planes: torch.Tensor, matrix: torch.Tensor, padding: str) -> torch.Tensor:
    """Sample planes [B, 1, h, w] at the points that a matrix [B, 2, 3] names, bilinear."""
    grid = functional.affine_grid(matrix, list(planes.shape), align_corners=False)
    return functional.grid_sample(
        planes, grid, mode="bilinear", padding_mode=padding, align_corners=False
    )
