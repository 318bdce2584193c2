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
) -> tuple[np.ndarray, ...]:
    """Render all views of a batch, group by group, from one pyramid of each image.

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
    tuple of numpy.ndarray, float32
        [views of the group, B, size, size] for each group.
    """
    from gca_dali_kernels.cpu.render_views import render_views

    plans = (plan.maps, plan.marks, plan.windows, plan.turns, plan.cutouts)
    return render_views(images, ranges, plans, index, key, policy.looks, num_threads)
