"""Images and windows → views, as an operator.

Enters: images, maps, windows, keys and, where the user knows them, ranges of values. Leaves: one
array [views of the group, C, size, size] per sample and group. Next: the user's pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.common.checks import check_choice
from gca_dali.operators.inputs import (
    check_maps,
    check_same_length,
    read_images,
    read_keys,
    read_ranges,
)
from gca_dali.policy.view_policy import ViewPolicy

if TYPE_CHECKING:
    from gca_dali.operators.kernels import Kernels
    from gca_dali.operators.windows import SampleWindows

# DALI has no bfloat16.
VIEW_TYPES = ("float32", "float16")


def check_policy(policy: Any) -> ViewPolicy:
    """Return a policy whose views DALI can hold.

    Raises
    ------
    TypeError, ValueError
        If it is none, or of a dtype that DALI does not have.
    """
    if not isinstance(policy, ViewPolicy):
        raise TypeError(
            f"policy must be a ViewPolicy, got {type(policy).__name__}. Begin with "
            "ViewPolicy.gca()."
        )
    check_choice("policy.dtype", policy.dtype, VIEW_TYPES)
    return policy


@dataclass(frozen=True)
class RenderViews:
    """Renders the views of all groups.

    Attributes
    ----------
    policy : ViewPolicy
    seed : int
    kernels : Kernels
    """

    policy: ViewPolicy
    seed: int
    kernels: Kernels

    def __call__(
        self,
        images: Sequence[Any],
        maps: Sequence[Any],
        units: Sequence[Any],
        turns: Sequence[Any],
        cutouts: Sequence[Any],
        marks: Sequence[Any],
        keys: Sequence[np.ndarray],
        *ranges: Sequence[np.ndarray],
    ) -> tuple[list[Any], ...]:
        """Return views, B × [views of the group, C, size, size] for each group.

        Parameters
        ----------
        images : sequence of arrays, uint8 | uint16 | float32, B × [H, W] or [H, W, 1]
        maps : sequence of arrays, uint8, B × [h, w]
        units, turns, cutouts, marks : sequence of arrays, int32
            Of `Windows`.
        keys : sequence of numpy.ndarray, int64, B × [2]
        *ranges : sequence of numpy.ndarray, float32, B × [2]
            Values that become black and white; or nothing.

        Raises
        ------
        TypeError, ValueError
            If an argument is not what it must be; it is named.
        """
        named = {"images": images, "saliency": maps, "windows": units, "keys": keys}
        check_same_length(**named, **({"ranges": ranges[0]} if ranges else {}))
        planes = read_images(images)
        check_maps(maps)
        rows = read_keys(keys)
        if units and units[0].shape != (self.policy.num_views, 4):
            raise ValueError(
                f"windows must be of {self.policy.num_views} views, got {len(units[0])}. Give "
                "sample_windows and render_views the same policy."
            )
        values = read_ranges(ranges[0]) if ranges else None
        plan = tuple(self.kernels.stack(part) for part in (maps, marks, units, turns, cutouts))
        groups: tuple[list[Any], ...] = tuple([None] * len(planes) for _ in self.policy.groups)
        for epoch in np.unique(rows[:, 1]).tolist():
            members = np.flatnonzero(rows[:, 1] == epoch)
            some = [planes[b] for b in members.tolist()]
            wanted = None if values is None else values[members]
            given = (rows[members, 0], (self.seed, epoch), self.policy)
            found = self.kernels.render(some, wanted, plan, members, *given)
            for group, views in zip(groups, found, strict=True):
                for place, b in enumerate(members.tolist()):
                    group[b] = views[place]
        return groups


@dataclass(frozen=True)
class GazeViews:
    """Draws windows and renders their views: the two operators above in one call."""

    windows: SampleWindows
    views: RenderViews

    def __call__(
        self, images: Sequence[Any], maps: Sequence[Any], keys: Sequence[np.ndarray], *more: Any
    ) -> tuple[list[Any], ...]:
        """Return views, then the fields of `Windows`.

        `more` are numbers of the law, as `SampleWindows.names` says, then perhaps ranges.
        """
        check_same_length(images=images, saliency=maps, keys=keys)
        num = len(self.windows.names)
        shapes = [np.array(image.shape[:2]) for image in read_images(images)]
        plan = self.windows(maps, keys, shapes, *more[:num])
        _, _, turns, _, _, _, units, cutouts, marks = plan
        views = self.views(images, maps, units, turns, cutouts, marks, keys, *more[num:])
        return (*views, *plan)
