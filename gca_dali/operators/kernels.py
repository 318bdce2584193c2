"""The kernels behind the operators: Numba's on the CPU, CUDA's on DALI's stream.

Enters: the arrays of a batch and which samples go together. Leaves: arrays of the fields of
`Windows`, and views. Both devices draw the same windows to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gca_dali.steps.decode import value_ranges
from gca_dali.steps.views import make_views
from gca_dali.steps.windows import Plan, plan_views

if TYPE_CHECKING:
    from gca_dali.policy.view_policy import ViewPolicy

Key = tuple[int, int]  # seed and epoch


class Kernels(Protocol):
    """What an operator asks of a device."""

    def stack(self, arrays: Sequence[Any]) -> Any:
        """Return B arrays of one shape as one, [B, …]."""
        ...

    def plan(
        self,
        maps: Any,
        members: np.ndarray,
        index: np.ndarray,
        shapes: np.ndarray,
        key: Key,
        policy: ViewPolicy,
    ) -> tuple[Any, ...]:
        """Return the fields of `Windows` of some samples, [members, …].

        Parameters
        ----------
        maps : array, uint8, [B, h, w]
        members : numpy.ndarray, int64, [M]
            Which of the B samples.
        index, shapes : numpy.ndarray, int64, [M]; int32, [M, 2]
            Of the members.
        key : tuple of int
        policy : ViewPolicy
        """
        ...

    def render(
        self,
        images: Sequence[Any],
        ranges: np.ndarray | None,
        plan: tuple[Any, ...],
        members: np.ndarray,
        index: np.ndarray,
        key: Key,
        policy: ViewPolicy,
    ) -> list[Any]:
        """Return the views of some samples, [M, views of the group, C, size, size] for each group.

        Parameters
        ----------
        images : sequence of M arrays, uint8 | uint16 | float32, [H, W]
        ranges : numpy.ndarray, float32, [M, 2], or None
        plan : tuple of arrays
            Maps, marks, units, turns and cutouts of all B samples.
        members, index, key, policy
            As in `plan`.
        """
        ...


@dataclass(frozen=True)
class CpuKernels:
    """Numba, on as many threads as the pipeline has."""

    num_threads: int = 0

    def stack(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Return arrays as one; see `Kernels`."""
        return np.stack(arrays)

    def plan(
        self,
        maps: np.ndarray,
        members: np.ndarray,
        index: np.ndarray,
        shapes: np.ndarray,
        key: Key,
        policy: ViewPolicy,
    ) -> tuple[np.ndarray, ...]:
        """Return the fields of `Windows`; see `Kernels`."""
        plan = plan_views(maps[members], index, shapes, key, policy, self.num_threads)
        px = plan.windows_px(shapes)
        shown = (px[..., :2], px[..., 2:], plan.turns, plan.retained, plan.grown)
        return (*shown, plan.focus_px(shapes), plan.windows, plan.cutouts, plan.marks)

    def render(
        self,
        images: Sequence[np.ndarray],
        ranges: np.ndarray | None,
        plan: tuple[np.ndarray, ...],
        members: np.ndarray,
        index: np.ndarray,
        key: Key,
        policy: ViewPolicy,
    ) -> list[Any]:
        """Return views; see `Kernels`."""
        if ranges is None:
            ranges = own_ranges(list(images))
        maps, marks, units, turns, cutouts = (np.ascontiguousarray(part[members]) for part in plan)
        unused = np.empty(0)
        whole = Plan(maps, marks, units, turns, cutouts, unused, unused, unused)
        made = make_views(list(images), ranges, whole, index, key, policy, self.num_threads)
        groups = [group.astype(policy.dtype, copy=False).swapaxes(0, 1) for group in made]
        shapes = [(*group.shape[:2], policy.channels, *group.shape[2:]) for group in groups]
        pairs = zip(groups, shapes, strict=True)
        return [np.broadcast_to(group[:, :, None], shape) for group, shape in pairs]


def own_ranges(images: list[np.ndarray]) -> np.ndarray:
    """Return the values that become black and white where the user names none, float32, [B, 2].

    All of 8 bits; of 16 what the image has; 0 and 1 of floats.
    """
    if images[0].dtype == np.float32:
        return np.tile(np.array([0, 1], np.float32), (len(images), 1))
    return value_ranges(images, np.full(len(images), images[0].dtype == np.uint16))
