"""What an arm's windows are like: area, view overlap, and the gaze that they hold.

Enters: a policy, the maps it looks at, and the gaze maps. Leaves: means over images and views.
The windows are those of the first epochs of training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.report.overlap import PlacedWindows
from gca_dali.steps.windows import UNITS_PER_CELL, Plan, plan_views

if TYPE_CHECKING:
    from arms import Arm

NUM_EPOCHS = 4


def describe_crops(arm: Arm, gaze: np.ndarray, shapes: np.ndarray, seed: int) -> dict[str, float]:
    """Return the means of what the windows of an arm are like.

    Parameters
    ----------
    arm : Arm
        Its policy, of upright windows only, and the maps that it looks at.
    gaze : numpy.ndarray, uint8, [N, 64, 64]
        The predicted map of each image, whether the arm looks at it or not.
    shapes : numpy.ndarray, int32, [N, 2]
    seed : int
        Of the loader.

    Returns
    -------
    dict
        area, a window's share of its image; pair_iou of two windows of an image; retained, the
        share of the gaze that a window holds; below_0.9, the share of windows that hold less than
        0.9 of it; grown, the share that had to be enlarged.
    """
    found = []
    for epoch in range(NUM_EPOCHS):
        plan = plan_windows(
            arm.policy, gaze if arm.maps is None else arm.maps, shapes, (seed, epoch)
        )
        placed = PlacedWindows.from_plan(plan, shapes, arm.policy)
        held = share_of_gaze(gaze, plan.windows)
        values = (placed.area(), placed.pair_iou(), held, held < 0.9, plan.grown)
        found.append([value.mean() for value in values])
    names = ("area", "pair_iou", "retained", "below_0.9", "grown")
    return dict(zip(names, np.mean(found, axis=0).round(4).tolist(), strict=True))


def draw_windows(policy: ViewPolicy, maps: np.ndarray, shapes: np.ndarray) -> PlacedWindows:
    """Return the windows of one epoch."""
    return PlacedWindows.from_plan(plan_windows(policy, maps, shapes, (0, 0)), shapes, policy)


def plan_windows(
    policy: ViewPolicy, maps: np.ndarray, shapes: np.ndarray, key: tuple[int, int]
) -> Plan:
    """Draw the windows of each image."""
    maps = np.ascontiguousarray(maps)
    return plan_views(maps, np.arange(len(maps)), shapes, key, policy)


def share_of_gaze(gaze: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Return the share of each map's mass in upright windows, float64, [B, V].

    Parameters
    ----------
    gaze : numpy.ndarray, uint8, [B, h, w]
    windows : numpy.ndarray, int32, [B, V, 4]
        y0, x0, y1, x1 in 1/256 cell.
    """
    integral = np.pad(gaze.astype(np.float64).cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    y0, x0, y1, x1 = np.moveaxis(windows / UNITS_PER_CELL, -1, 0)
    corners = [(y1, x1, 1), (y0, x1, -1), (y1, x0, -1), (y0, x0, 1)]
    mass = sum(sign * _interpolate(integral, y, x) for y, x, sign in corners)
    return mass / np.maximum(integral[:, -1, -1], 1.0)[:, None]


def _interpolate(integral: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the integral at fractional cells, [B, V]: exact where a cell's mass is even."""
    image = np.arange(len(integral))[:, None]
    top = np.clip(np.floor(y).astype(int), 0, integral.shape[1] - 2)
    left = np.clip(np.floor(x).astype(int), 0, integral.shape[2] - 2)
    down, right = y - top, x - left
    upper = integral[image, top, left] * (1 - right) + integral[image, top, left + 1] * right
    lower = (
        integral[image, top + 1, left] * (1 - right) + integral[image, top + 1, left + 1] * right
    )
    return upper * (1 - down) + lower * down
