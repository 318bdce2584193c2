"""Plain views of windows on pixel borders, ours and torchvision's, and their PSNR."""

from __future__ import annotations

import numpy as np
import torch
from torchvision.transforms.v2.functional import resized_crop

from gca_dali_kernels.cpu.render_views import render_views
from gca_dali_kernels.law import UNITS_PER_CELL
from gca_dali_kernels.look import GroupLooks, ViewLook


def render_windows(
    image: np.ndarray,
    windows_px: np.ndarray,
    value_range: tuple[float, float],
    size: tuple[int, int] = (224, 224),
) -> np.ndarray:
    """Return one view per window, float32, [windows, height, width], intensities 0 to 1.

    Parameters
    ----------
    image : numpy.ndarray, uint8 | uint16 | float32, [H, W]
    windows_px : numpy.ndarray, int32, [windows, 4]
        y0, x0, y1, x1.
    value_range : tuple of float
        Values of the image that become 0 and 1.
    size : tuple of int
    """
    count = len(windows_px)
    # One cell per pixel puts every pixel border on a whole number of units.
    maps, marks = np.zeros((1, *image.shape), np.uint8), np.zeros((1, 5), np.int32)
    turns = np.tile(np.array([-1, 0], np.int32), (1, count, 1))
    plan = (windows_px[None] * UNITS_PER_CELL, turns, np.zeros((1, count, 4), np.int32))
    ranges = np.array([value_range], np.float32)
    group = GroupLooks((ViewLook(),) * count, size)
    given = ([image], ranges, (maps, marks, *plan), np.array([0]), (0, 0))
    return render_views(*given, (group,))[0][:, 0]


def crop_with_torchvision(
    image: np.ndarray, window: np.ndarray, size: tuple[int, int] = (224, 224)
) -> np.ndarray:
    """Return torchvision's view of a window, float32, [height, width], in values of the image."""
    y0, x0, y1, x1 = (int(edge) for edge in window)
    tensor = torch.from_numpy(image.astype(np.float32))[None]
    return resized_crop(tensor, y0, x0, y1 - y0, x1 - x0, list(size), antialias=True)[0].numpy()


def psnr_db(view: np.ndarray, expected: np.ndarray) -> float:
    """Return the PSNR of intensities 0 to 1, at most 120."""
    return float(-10 * np.log10(max(((view - expected) ** 2).mean(), 1e-12)))
