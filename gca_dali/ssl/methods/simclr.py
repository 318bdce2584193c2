"""SimCLR (Chen et al. 2020, arXiv 2002.05709): all views in one batch, NT-Xent of every pair."""

from __future__ import annotations

from itertools import combinations

import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from torch import Tensor, nn

from gca_dali.ssl.encoders import num_features_of
from gca_dali.ssl.methods.base import ContrastiveModule, full_precision
from gca_dali.ssl.methods.view_groups import Views, embed
from gca_dali.ssl.presets import MethodPreset


class SimCLR(ContrastiveModule):
    """The mean of NT-Xent over all pairs of views, global or local."""

    def __init__(self, encoder: nn.Module, preset: MethodPreset, **schedule: int) -> None:
        super().__init__(encoder, preset, **schedule)
        self.projection = SimCLRProjectionHead(
            num_features_of(encoder), preset.hidden_dim, preset.output_dim
        )
        self.criterion = NTXentLoss(preset.temperature, gather_distributed=True)

    def contrast(self, views: Views, num_globals: int) -> tuple[Tensor, Tensor]:
        """Return NT-Xent over the 2B views of each pair, of all processes."""
        embedding = self.projection(embed(self.encoder, views)).float()
        with full_precision(embedding):
            pairs = combinations(embedding.chunk(len(views)), 2)
            losses = [self.criterion(one, other) for one, other in pairs]
            return torch.stack(losses).mean(), embedding
