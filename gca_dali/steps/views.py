"""Images and windows → views.

Enters: decoded images of any size and the `Plan` of their windows. Leaves: augmented, normalised
views. Next: `deliver`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gca_dali.policy.view_policy import ViewPolicy
    from gca_dali.steps.windows import Plan


def make_views(
    images: list[np.ndarray],
    ranges: np.ndarray,
    plan: Plan,
    index: np.ndarray,
    key: tuple[int, int],
    policy: ViewPolicy,
    num_threads: int = 0,
) -> np.ndarray:
    """Render all views of a batch.

    Parameters
    ----------
    images : list of numpy.ndarray, uint8 | uint16 | float32, B × [H, W]
    ranges : numpy.ndarray, float32, [B, 2]
        Values that become 0 and 1.
    plan : Plan
    index : numpy.ndarray, int64, [B]
    key : tuple of int
        Seed and epoch.
    policy : ViewPolicy
    num_threads : int
        0 means one per core.

    Returns
    -------
    numpy.ndarray, float32, [V, B, size, size]
    """
    from gca_dali_kernels.cpu.render_views import render_views

    num_views = plan.windows.shape[1]
    views = np.empty((num_views, len(images), policy.size, policy.size), np.float32)
    render_views(
        images,
        ranges,
        (plan.maps, plan.marks, plan.windows, plan.turns, plan.cutouts),
        index,
        key,
        (policy.window_law, policy.view_looks(num_views)),
        views.swapaxes(0, 1),
        num_threads,
    )
    return views
