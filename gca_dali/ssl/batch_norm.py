"""Batch norm over all processes, on GPUs by torch and on CPUs by what torch lacks there.

Enters: a module with batch norm layers. Leaves: the same module whose layers take mean and
variance over the batches of all processes, so that 4 processes of 16 train as 1 of 64 does.
"""

from __future__ import annotations

import torch
from lightly.utils.dist import gather
from timm.layers.norm_act import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn
from torch import distributed as torch_dist


def synchronise_batch_norm(module: nn.Module, device: torch.device) -> nn.Module:
    """Replace every batch norm layer by one that is synchronised over all processes.

    What timm's `BatchNormAct2d` does after the norm, dropout and activation, is kept.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place, except where it is itself a batch norm layer.
    device : torch.device
        Where it will run: timm's conversion to `torch.nn.SyncBatchNorm` for CUDA,
        `ProcessBatchNorm` else.

    Returns
    -------
    torch.nn.Module
        The module; parameter and buffer names are unchanged.
    """
    if device.type == "cuda":
        return convert_sync_batchnorm(module)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return _as_process_batch_norm(module)
    for name, child in module.named_children():
        setattr(module, name, synchronise_batch_norm(child, device))
    return module


class ProcessBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm whose statistics are shared by gloo processes; `torch.nn.SyncBatchNorm` cannot.

    The sums of Chan, Golub and LeVeque (1983) are combined, so no digits are lost to E[x²] − E[x]².
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [B, C], [B, C, L] or [B, C, H, W] with the statistics of all processes."""
        if not (self.training and torch_dist.is_initialized()):
            return super().forward(input)
        # Under autocast the input is bfloat16, whose three digits are too few for a variance.
        values = input.float()
        mean, variance, count = _share_statistics(values)
        self._update_running_statistics(mean.detach(), variance.detach(), count)
        shape = [1, -1] + [1] * (input.dim() - 2)
        scale = torch.rsqrt(variance + self.eps) * self.weight
        output = (values - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)
        return output.to(input.dtype)

    @torch.no_grad()
    def _update_running_statistics(self, mean: Tensor, variance: Tensor, count: float) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        unbiased = variance * (count / max(count - 1, 1))
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(unbiased, self.momentum)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(
                f"input must have at least 2 dimensions, got {input.dim()}. Pass [B, C, ...]."
            )


class ProcessBatchNormAct(ProcessBatchNorm):
    """`ProcessBatchNorm` with what timm's `BatchNormAct2d` does after it."""

    drop: nn.Module
    act: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [B, C, H, W] with the statistics of all processes, drop and activate."""
        return self.act(self.drop(super().forward(input)))


def _share_statistics(input: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return mean [C], biased variance [C] and values per channel over all processes."""
    axes = [0, *range(2, input.dim())]
    count = input.numel() // input.shape[1]
    mean = input.mean(axes)
    spread = input.var(axes, correction=0) * count
    own = torch.cat([mean, spread, mean.new_tensor([float(count)])])
    table = torch.stack(list(gather(own)))
    means, spreads, counts = table[:, : len(mean)], table[:, len(mean) : -1], table[:, -1:]
    total = counts.sum().detach()
    mean = (means * counts).sum(0) / total
    spread = (spreads + counts * (means - mean) ** 2).sum(0)
    return mean, spread / total, float(total)


def _as_process_batch_norm(layer: nn.modules.batchnorm._BatchNorm) -> ProcessBatchNorm:
    kind = ProcessBatchNormAct if isinstance(layer, BatchNormAct2d) else ProcessBatchNorm
    shared = kind(layer.num_features, layer.eps, layer.momentum)
    for name, child in layer.named_children():
        shared.add_module(name, child)
    shared.load_state_dict(layer.state_dict())
    shared.requires_grad_(layer.weight.requires_grad)
    return shared.train(layer.training)
