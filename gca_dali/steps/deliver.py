"""Views as arrays → `ViewBatch`, without a copy where the dtype allows.

Enters: `Made`, what the steps before left of a batch. Leaves: torch tensors over the same memory.
Next: the training loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gca_dali.steps.batch import ViewBatch

if TYPE_CHECKING:
    import torch

    from gca_dali.policy.view_policy import ViewPolicy


class Made(NamedTuple):
    """A batch on the CPU.

    Attributes
    ----------
    views : tuple of numpy.ndarray, float32
        [views of the group, B, size, size] for each group.
    keys : numpy.ndarray, int64, [B, 2]
        Sample index and epoch.
    windows : numpy.ndarray, float32, [B, V, 4]
        In pixels of the original image.
    retained : numpy.ndarray, float32, [B, V]
    grown, flipped : numpy.ndarray, bool, [B, V]
    focus : numpy.ndarray, float32, [B, 2]
        In pixels; NaN for none.
    """

    views: tuple[np.ndarray, ...]
    keys: np.ndarray
    windows: np.ndarray
    retained: np.ndarray
    grown: np.ndarray
    flipped: np.ndarray
    focus: np.ndarray


def deliver(made: Made, labels: torch.Tensor, policy: ViewPolicy) -> ViewBatch:
    """Return one batch.

    Parameters
    ----------
    made : Made
    labels : torch.Tensor, int64, [N]
        The manifest's labels.
    policy : ViewPolicy
        Its dtype and channels are those of the views.

    Returns
    -------
    ViewBatch
    """
    import torch

    dtype = getattr(torch, policy.dtype)
    views = [view for group in made.views for view in torch.from_numpy(group).to(dtype)]
    index = torch.from_numpy(made.keys[:, 0].copy())
    return ViewBatch(
        views=tuple(view[:, None].expand(-1, policy.channels, -1, -1) for view in views),
        index=index,
        label=labels[index],
        windows=torch.from_numpy(made.windows),
        retained=torch.from_numpy(made.retained),
        grown=torch.from_numpy(made.grown),
        flipped=torch.from_numpy(made.flipped),
        focus=torch.from_numpy(made.focus),
        groups=policy.slices,
    )
