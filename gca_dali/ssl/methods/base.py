"""What all methods share: the step, the schedules, the slow copies' momentum, the spread.

Enters: the views of each image. Leaves: a loss, and how far the features spread. Next: each method.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from lightly.models import utils
from lightly.utils.debug import std_of_l2_normalized
from lightly.utils.scheduler import CosineWarmupScheduler, cosine_schedule
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from gca_dali.ssl.methods.view_groups import Views, take_views
from gca_dali.ssl.optimizers import build_optimizer

if TYPE_CHECKING:
    from gca_dali.ssl.presets import MethodPreset
    from gca_dali.steps.batch import ViewBatch


class ContrastiveModule(LightningModule):
    """A method: its encoder, heads and schedules.

    Parameters
    ----------
    encoder : torch.nn.Module
        Maps [B, C, H, W] to [B, D] and has `num_features` = D.
    preset : MethodPreset
        Settings of the method.
    num_steps : int
        Optimiser steps of the whole run: the length of the schedules.
    batch_size : int
        Images per step over all processes: sets the learning rate.
    num_warmup_steps : int
        Steps of linear warm-up.

    Attributes
    ----------
    spread_name : str
        What the logs call the spread of the features, which is 0 where they have collapsed.
    collapsed_below : float
        Spread that counts as a collapse.
    num_done : int
        Steps that were done before the present one.
    """

    spread_name = "feature_std"
    collapsed_below = 0.05
    num_updates: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        preset: MethodPreset,
        num_steps: int,
        batch_size: int,
        num_warmup_steps: int = 0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.preset = preset
        self.num_steps = num_steps
        self.batch_size = batch_size
        self.num_warmup_steps = num_warmup_steps
        self.num_done = 0
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))

    @property
    def features_encoder(self) -> nn.Module:
        """The network whose features are the method's."""
        return self.encoder

    def contrast(self, views: Views, num_globals: int) -> tuple[Tensor, Tensor]:
        """Return the loss of one step, and what its spread is measured on, [N, E]."""
        raise NotImplementedError

    def measure_spread(self, embedding: Tensor) -> Tensor:
        """Return the mean deviation of the normalised embeddings times √E.

        It is 1 where they spread evenly, 0 where they are one point (SimSiam, arXiv 2011.10566).
        """
        return std_of_l2_normalized(embedding) * embedding.shape[1] ** 0.5

    def slow_copies(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return pairs (module, its slow copy)."""
        return []

    def forward(self, views: Views, num_globals: int) -> dict[str, Tensor]:
        """Run one training step on the views of a batch.

        Parameters
        ----------
        views : sequence of torch.Tensor, float, V × [B, C, H, W]
            Views of the same images: the global ones, then the local ones, whose size may differ.
        num_globals : int
            How many are global.

        Returns
        -------
        dict of torch.Tensor
            "loss" with its graph, and the spread under `spread_name`.
        """
        self._update_slow_copies()
        loss, embedding = self.contrast(views, num_globals)
        return {"loss": loss, self.spread_name: self.measure_spread(embedding.detach().float())}

    def training_step(self, batch: ViewBatch, batch_idx: int = 0) -> Tensor:
        """Run one step on a batch of the loader and log it (for a Lightning `Trainer`)."""
        outcome = self(*take_views(batch))
        self.log_dict(outcome, prog_bar=True, batch_size=len(batch.index))
        return outcome["loss"]

    def configure_optimizers(self) -> Any:
        """Return the preset's optimiser and its cosine schedule, stepped every batch.

        The last step's rate is 0; that of a run of one step is the peak.
        """
        rate = self.preset.optimizer.learning_rate(self.batch_size)
        optimizer = build_optimizer(self, self.preset.optimizer, rate)
        scheduler = CosineWarmupScheduler(
            optimizer, self.num_warmup_steps, max(self.num_steps, 2), end_value=0.0
        )
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    @torch.no_grad()
    def _update_slow_copies(self) -> None:
        """Move the slow copies after the last step's update of the fast modules."""
        start, end = self.preset.momentum
        self.num_done = int(self.num_updates)
        step = min(self.num_done, self.num_steps)
        momentum = cosine_schedule(step, self.num_steps, start, end)
        for module, slow in self.slow_copies():
            utils.update_momentum(module, slow, m=momentum)
        self.num_updates += 1


def slow_copy(module: nn.Module) -> nn.Module:
    """Return a copy that takes no gradient."""
    slow = copy.deepcopy(module)
    utils.deactivate_requires_grad(slow)
    return slow


def full_precision(tensor: Tensor) -> torch.autocast:
    """Keep the loss out of bf16, whose similarities would carry three digits."""
    return torch.autocast(tensor.device.type, enabled=False)
