"""VICReg (Bardes et al. 2022, arXiv 2105.04906): alike, spread out, uncorrelated."""

from __future__ import annotations

from itertools import combinations

import torch
from lightly.loss.vicreg_loss import covariance_loss, invariance_loss, variance_loss
from lightly.models.modules.heads import VICRegProjectionHead
from lightly.utils import dist
from torch import Tensor, nn

from gca_dali.ssl.encoders import num_features_of
from gca_dali.ssl.methods.base import ContrastiveModule, full_precision
from gca_dali.ssl.methods.view_groups import Views
from gca_dali.ssl.presets import MethodPreset

_INVARIANCE, _VARIANCE, _COVARIANCE = 25.0, 25.0, 1.0


class VICReg(ContrastiveModule):
    """The mean of lightly's `VICRegLoss` over all pairs of views, global or local.

    Each view's variance and covariance, those of the images of all processes, are taken once.
    """

    spread_name = "embedding_std"

    def __init__(self, encoder: nn.Module, preset: MethodPreset, **schedule: int) -> None:
        super().__init__(encoder, preset, **schedule)
        self.projection = VICRegProjectionHead(
            num_features_of(encoder), preset.hidden_dim, preset.output_dim
        )

    def contrast(self, views: Views, num_globals: int) -> tuple[Tensor, Tensor]:
        """Return invariance, variance and covariance, weighted 25 : 25 : 1."""
        embeddings = [self.projection(self.encoder(view)).float() for view in views]
        with full_precision(embeddings[0]):
            pairs = combinations(embeddings, 2)
            invariance = torch.stack([invariance_loss(one, other) for one, other in pairs]).mean()
            whole = [_gather(embedding) for embedding in embeddings]
            variance = torch.stack([variance_loss(embedding) for embedding in whole]).mean()
            covariance = 2 * torch.stack([covariance_loss(embedding) for embedding in whole]).mean()
        loss = _INVARIANCE * invariance + _VARIANCE * variance + _COVARIANCE * covariance
        return loss, embeddings[0]

    def measure_spread(self, embedding: Tensor) -> Tensor:
        """Return the mean deviation of the embeddings' dimensions: the loss drives it to 1."""
        return embedding.std(0).mean()


def _gather(embedding: Tensor) -> Tensor:
    """Return the embeddings of all processes."""
    return torch.cat(dist.gather(embedding)) if dist.world_size() > 1 else embedding
