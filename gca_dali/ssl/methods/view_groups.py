"""Which views of a batch are global and which are local, and networks run over both.

Enters: a tuple of views whose sizes may differ, in groups. Leaves: features, one row per view and
image, the views of one size together in one forward pass. Next: the methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from gca_dali.steps.batch import ViewBatch

Views = Sequence[Tensor]


def take_views(batch: ViewBatch) -> tuple[tuple[Tensor, ...], int]:
    """Return the views of a batch, and how many of them are global: those of its first group.

    Raises
    ------
    ValueError
        If there are fewer than two global views.
    """
    num_globals = len(batch.views[batch.groups[0]])
    check_num_globals(num_globals)
    return batch.views, num_globals


def check_num_globals(num_globals: int) -> None:
    """Refuse a policy whose first group has fewer than the two views that are compared.

    Raises
    ------
    ValueError
        If it has.
    """
    if num_globals < 2:
        raise ValueError(
            f"num_views of the first group must be at least 2 for pre-training, got {num_globals}. "
            "Use a policy such as gca, random or gca_dino."
        )


def embed(network: nn.Module, views: Views) -> Tensor:
    """Run a network over all views, those of one size at once.

    Parameters
    ----------
    network : torch.nn.Module
        Maps [N, C, H, W] to [N, D].
    views : sequence of torch.Tensor, float, V × [B, C, H, W]
        Equal sizes follow each other.

    Returns
    -------
    torch.Tensor, [V × B, D]
        View after view.
    """
    parts = [list(part) for _, part in groupby(views, key=lambda view: view.shape)]
    return torch.cat([network(torch.cat(part)) for part in parts])
