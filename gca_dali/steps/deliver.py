"""Pipeline outputs → `ViewBatch`, without a copy where the dtype allows.

Enters: DALI's output tensors. Leaves: torch tensors that own DALI's buffers through DLPack. Next:
the training loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.steps.batch import ViewBatch

if TYPE_CHECKING:
    import torch

    from gca_dali.policy.view_policy import ViewPolicy


def deliver(outputs: tuple[Any, ...], labels: torch.Tensor, policy: ViewPolicy) -> ViewBatch:
    """Return one batch.

    Parameters
    ----------
    outputs : tuple of nvidia.dali.tensors.TensorListCPU or numpy.ndarray
        V views, then keys, windows, retained, grown.
    labels : torch.Tensor, int64, [N]
        The manifest's labels.
    policy : ViewPolicy
        Its dtype and channels are those of the views.

    Returns
    -------
    ViewBatch
    """
    import torch

    *views, keys, windows, retained, grown = (
        torch.from_dlpack(output if isinstance(output, np.ndarray) else output.as_tensor())
        for output in outputs
    )
    dtype = getattr(torch, policy.dtype)
    index = keys[:, 0].contiguous()
    return ViewBatch(
        views=tuple(view.to(dtype).expand(-1, policy.channels, -1, -1) for view in views),
        index=index,
        label=labels[index],
        windows=windows,
        retained=retained,
        grown=grown.view(torch.bool),
    )
