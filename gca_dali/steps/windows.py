"""Maps and keys → windows and cutouts.

Enters: the saliency maps of a batch, sample indices, image shapes. Leaves: `Plan`, where each view
lies. Next: `views`. Windows need no pixels: they can be known before an image is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gca_dali.policy.view_policy import ViewPolicy

UNITS_PER_CELL = 256


@dataclass(frozen=True)
class Plan:
    """Where the V views of each of B images lie.

    Attributes
    ----------
    maps, marks : numpy.ndarray, uint8, [B, h, w]; int32, [B, 5]
        The maps, and what `integrate_maps` marks on them.
    windows : numpy.ndarray, int32, [B, V, 4]
        y0, x0, y1, x1 in units of 1/256 map cell.
    turns : numpy.ndarray, int32, [B, V, 2]
        Rotation step (-1: upright) and flip.
    cutouts : numpy.ndarray, int32, [B, V, 4]
        y0, x0, y1, x1 in 1/65536 of the view; zeros for none.
    retained : numpy.ndarray, float32, [B, V]
    grown : numpy.ndarray, bool, [B, V]
    focus : numpy.ndarray, int32, [B, 2]
        y, x of the point that views share in units; -1 for none.
    """

    maps: np.ndarray
    marks: np.ndarray
    windows: np.ndarray
    turns: np.ndarray
    cutouts: np.ndarray
    retained: np.ndarray
    grown: np.ndarray
    focus: np.ndarray

    @property
    def flipped(self) -> np.ndarray:
        """Whether each view is the mirror image of its window, bool, [B, V]."""
        return self.turns[..., 1] > 0

    def windows_px(self, shapes: np.ndarray) -> np.ndarray:
        """Return y0, x0, height, width in pixels of the original image, float32, [B, V, 4]."""
        cells = np.array(self.maps.shape[1:], np.float64) * UNITS_PER_CELL
        scale = np.tile(shapes / cells, 2)[:, None, :]
        edges = self.windows.astype(np.float64)
        edges[..., 2:] -= edges[..., :2]
        return (edges * scale).astype(np.float32)

    def focus_px(self, shapes: np.ndarray) -> np.ndarray:
        """Return y, x of the shared point in pixels of the original, float32, [B, 2]; or NaN."""
        cells = np.array(self.maps.shape[1:], np.float64) * UNITS_PER_CELL
        middle = (self.focus + 0.5) * (shapes / cells)
        return np.where(self.focus >= 0, middle, np.nan).astype(np.float32)


def plan_views(
    maps: np.ndarray,
    index: np.ndarray,
    shapes: np.ndarray,
    key: tuple[int, int],
    policy: ViewPolicy,
    num_threads: int = 1,
) -> Plan:
    """Draw windows and cutouts.

    Parameters
    ----------
    maps : numpy.ndarray, uint8, [B, h, w]
    index : numpy.ndarray, int64, [B]
    shapes : numpy.ndarray, int32, [B, 2]
        Height and width of each image in pixels.
    key : tuple of int
        Seed and epoch.
    policy : ViewPolicy
    num_threads : int

    Returns
    -------
    Plan
    """
    from gca_dali_kernels.cpu.integrate_maps import integrate_maps
    from gca_dali_kernels.cpu.sample_cutouts import sample_cutouts
    from gca_dali_kernels.cpu.sample_windows import sample_windows

    index = np.ascontiguousarray(index)  # Numba compiles the kernels for each layout
    integrals, marks = integrate_maps(maps, num_threads)
    windows, turns, retained, grown, focus = sample_windows(
        integrals, marks, index, shapes, key, policy.laws, num_threads
    )
    laws = policy.laws
    cutouts = sample_cutouts(integrals, windows, turns, index, shapes, key, laws, num_threads)
    return Plan(maps, marks, windows, turns, cutouts, retained, grown, focus)
