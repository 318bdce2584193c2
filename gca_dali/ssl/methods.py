"""SimCLR, MoCo v2 and BYOL as Lightning modules, from lightly's heads, losses and utilities.

Enters: two views [B, C, H, W] of each image. Leaves: a loss, and how far the embeddings spread.
Next: `pretrain` runs them; so does a Lightning `Trainer`, whose batches are `ViewBatch`es.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from lightly.loss import NegativeCosineSimilarity, NTXentLoss
from lightly.models import utils
from lightly.models.modules import (
    BYOLPredictionHead,
    BYOLProjectionHead,
    MoCoProjectionHead,
    SimCLRProjectionHead,
)
from lightly.utils import dist
from lightly.utils.debug import std_of_l2_normalized
from lightly.utils.scheduler import CosineWarmupScheduler, cosine_schedule
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from gca_dali.ssl.encoders import num_features_of
from gca_dali.ssl.optimizers import build_optimizer

if TYPE_CHECKING:
    from gca_dali.ssl.presets import MethodPreset
    from gca_dali.steps.batch import ViewBatch


class ContrastiveModule(LightningModule):
    """What the three methods share: the step, the schedule and the slow copy's momentum.

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
    """

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
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))

    def contrast(self, view_0: Tensor, view_1: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and the embeddings [N, E] of one step."""
        raise NotImplementedError

    def slow_copies(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return pairs (module, its slow copy)."""
        return []

    def forward(self, view_0: Tensor, view_1: Tensor) -> dict[str, Tensor]:
        """Run one training step on two views.

        Parameters
        ----------
        view_0, view_1 : torch.Tensor, float, [B, C, H, W]
            Views of the same images.

        Returns
        -------
        dict of torch.Tensor
            "loss" with its graph; "feature_std": mean deviation of the normalised embeddings times
            √E, 1 where they spread evenly and 0 where they have collapsed (as in SimSiam,
            arXiv 2011.10566).
        """
        self._update_slow_copies()
        loss, embedding = self.contrast(view_0, view_1)
        embedding = embedding.detach().float()
        spread = std_of_l2_normalized(embedding) * embedding.shape[1] ** 0.5
        return {"loss": loss, "feature_std": spread}

    def training_step(self, batch: ViewBatch, batch_idx: int = 0) -> Tensor:
        """Run one step on a batch of the loader and log it (for a Lightning `Trainer`)."""
        outcome = self(*first_two_views(batch))
        self.log_dict(outcome, prog_bar=True, batch_size=len(batch.index))
        return outcome["loss"]

    def configure_optimizers(self) -> Any:
        """Return the preset's optimiser and its cosine schedule, stepped every batch."""
        rate = self.preset.optimizer.learning_rate(self.batch_size)
        optimizer = build_optimizer(self, self.preset.optimizer, rate)
        scheduler = CosineWarmupScheduler(
            optimizer, self.num_warmup_steps, self.num_steps, end_value=0.0
        )
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    @torch.no_grad()
    def _update_slow_copies(self) -> None:
        """Move the slow copies after the last step's update of the fast modules."""
        start, end = self.preset.momentum
        step = min(int(self.num_updates), self.num_steps)
        momentum = cosine_schedule(step, self.num_steps, start, end)
        for module, slow in self.slow_copies():
            utils.update_momentum(module, slow, m=momentum)
        self.num_updates += 1


class SimCLR(ContrastiveModule):
    """SimCLR (Chen et al. 2020, arXiv 2002.05709): both views in one batch, NT-Xent."""

    def __init__(self, encoder: nn.Module, preset: MethodPreset, **schedule: int) -> None:
        super().__init__(encoder, preset, **schedule)
        self.projection = SimCLRProjectionHead(
            num_features_of(encoder), preset.hidden_dim, preset.output_dim
        )
        self.criterion = NTXentLoss(preset.temperature, gather_distributed=True)

    def contrast(self, view_0: Tensor, view_1: Tensor) -> tuple[Tensor, Tensor]:
        """Return NT-Xent over the 2B views of all processes."""
        embedding = self.projection(self.encoder(torch.cat([view_0, view_1]))).float()
        with _full_precision(embedding):
            return self.criterion(*embedding.chunk(2)), embedding


class MoCo(ContrastiveModule):
    """MoCo v2 (Chen et al. 2020, arXiv 2003.04297): a queue of keys from a slow encoder."""

    def __init__(self, encoder: nn.Module, preset: MethodPreset, **schedule: int) -> None:
        super().__init__(encoder, preset, **schedule)
        self.projection = MoCoProjectionHead(
            num_features_of(encoder), preset.hidden_dim, preset.output_dim
        )
        self.slow_encoder = _slow_copy(encoder)
        self.slow_projection = _slow_copy(self.projection)
        self.criterion = NTXentLoss(
            preset.temperature,
            memory_bank_size=(preset.num_negatives, preset.output_dim),
            gather_distributed=True,
        )
        # lightly leaves the queue out of checkpoints; without it a resumed run would begin anew.
        bank = self.criterion.memory_bank
        bank.register_buffer("bank", bank.bank.to(torch.get_default_dtype()), persistent=True)
        bank.register_buffer("bank_ptr", bank.bank_ptr, persistent=True)

    def slow_copies(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the encoder and the projection with their slow copies."""
        return [(self.encoder, self.slow_encoder), (self.projection, self.slow_projection)]

    def contrast(self, view_0: Tensor, view_1: Tensor) -> tuple[Tensor, Tensor]:
        """Return InfoNCE of queries from view 0 against keys from view 1 and the queue."""
        query = self.projection(self.encoder(view_0)).float()
        key = self._embed_keys(view_1).float()
        with _full_precision(query):
            return self.criterion(query, key), query

    @torch.no_grad()
    def _embed_keys(self, view: Tensor) -> Tensor:
        shuffled = self.preset.batch_norm == "shuffled" and dist.world_size() > 1
        if not shuffled:
            return self.slow_projection(self.slow_encoder(view))
        # Keys meet other images in their batch norm than queries do (He et al. 2020, section 3.3).
        view, order = utils.batch_shuffle(view, distributed=True)
        key = self.slow_projection(self.slow_encoder(view))
        return utils.batch_unshuffle(key, order, distributed=True)


class BYOL(ContrastiveModule):
    """BYOL (Grill et al. 2020, arXiv 2006.07733): predict a slow copy's embedding."""

    def __init__(self, encoder: nn.Module, preset: MethodPreset, **schedule: int) -> None:
        super().__init__(encoder, preset, **schedule)
        sizes = (preset.hidden_dim, preset.output_dim)
        self.projection = BYOLProjectionHead(num_features_of(encoder), *sizes)
        self.prediction = BYOLPredictionHead(preset.output_dim, *sizes)
        self.slow_encoder = _slow_copy(encoder)
        self.slow_projection = _slow_copy(self.projection)
        self.criterion = NegativeCosineSimilarity()

    def slow_copies(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the encoder and the projection with their slow copies."""
        return [(self.encoder, self.slow_encoder), (self.projection, self.slow_projection)]

    def contrast(self, view_0: Tensor, view_1: Tensor) -> tuple[Tensor, Tensor]:
        """Return the symmetric negative cosine, in [-1, 1]."""
        embedding_0 = self.projection(self.encoder(view_0))
        embedding_1 = self.projection(self.encoder(view_1))
        predicted_1 = self.prediction(embedding_0).float()
        predicted_0 = self.prediction(embedding_1).float()
        with torch.no_grad():
            target_0 = self.slow_projection(self.slow_encoder(view_0)).float()
            target_1 = self.slow_projection(self.slow_encoder(view_1)).float()
        with _full_precision(predicted_0):
            loss = self.criterion(predicted_1, target_1) + self.criterion(predicted_0, target_0)
        return loss / 2, embedding_0


def build_method(
    encoder: nn.Module,
    preset: MethodPreset,
    num_steps: int,
    batch_size: int,
    num_warmup_steps: int = 0,
) -> ContrastiveModule:
    """Put the heads of a method on an encoder.

    Parameters
    ----------
    encoder, preset, num_steps, batch_size, num_warmup_steps
        See `ContrastiveModule`.

    Returns
    -------
    ContrastiveModule
        `SimCLR`, `MoCo` or `BYOL`.
    """
    kind = {"simclr": SimCLR, "moco": MoCo, "byol": BYOL}[preset.method]
    return kind(
        encoder,
        preset,
        num_steps=num_steps,
        batch_size=batch_size,
        num_warmup_steps=num_warmup_steps,
    )


def first_two_views(batch: ViewBatch) -> tuple[Tensor, Tensor]:
    """Return the two views that are contrasted.

    Raises
    ------
    ValueError
        If the batch holds fewer than two.
    """
    if len(batch.views) < 2:
        raise ValueError(
            f"num_views must be at least 2 for pre-training, got {len(batch.views)}. "
            "Build the loader with num_views=2."
        )
    return batch.views[0], batch.views[1]


def _slow_copy(module: nn.Module) -> nn.Module:
    slow = copy.deepcopy(module)
    utils.deactivate_requires_grad(slow)
    return slow


def _full_precision(tensor: Tensor) -> torch.autocast:
    """Keep the loss out of bf16, whose similarities would carry three digits."""
    return torch.autocast(tensor.device.type, enabled=False)
