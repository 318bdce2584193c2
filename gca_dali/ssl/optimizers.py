"""Optimisers of the presets: SGD, LARS and AdamW, with no decay of biases and norm layers.

Enters: a module and a preset. Leaves: a torch optimiser over the parameters that learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from lightly.models.utils import get_weight_decay_parameters
from lightly.utils.lars import LARS

if TYPE_CHECKING:
    from torch import nn

    from gca_dali.ssl.presets import OptimizerPreset


def build_optimizer(
    module: nn.Module, preset: OptimizerPreset, learning_rate: float
) -> torch.optim.Optimizer:
    """Build the optimiser of a preset.

    Parameters
    ----------
    module : torch.nn.Module
        Its parameters that require gradients are optimised.
    preset : OptimizerPreset
        Name and weight decay.
    learning_rate : float
        Peak learning rate.

    Returns
    -------
    torch.optim.Optimizer
        With two groups: decayed, and not decayed (which LARS leaves unscaled, as SimCLR and BYOL).
    """
    decayed, plain = get_weight_decay_parameters([module])
    groups = [
        {"params": _learning(decayed), "weight_decay": preset.weight_decay},
        {"params": _learning(plain), "weight_decay": 0.0},
    ]
    if preset.name == "adamw":
        return torch.optim.AdamW(groups, lr=learning_rate)
    kind = LARS if preset.name == "lars" else torch.optim.SGD
    return kind(groups, lr=learning_rate, momentum=0.9)


def _learning(parameters: list[nn.Parameter]) -> list[nn.Parameter]:
    return [p for p in parameters if p.requires_grad]
