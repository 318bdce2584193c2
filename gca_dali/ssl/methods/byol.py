"""BYOL (Grill et al. 2020, arXiv 2006.07733): predict a slow copy's embedding."""

from __future__ import annotations

import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
from torch import Tensor, nn

from gca_dali.ssl.encoders import num_features_of
from gca_dali.ssl.methods.base import ContrastiveModule, full_precision, slow_copy
from gca_dali.ssl.methods.view_groups import Views
from gca_dali.ssl.presets import MethodPreset


class BYOL(ContrastiveModule):
    """Every view, global or local, predicts the slow embedding of every other global view."""

    def __init__(self, encoder: nn.Module, preset: MethodPreset, **schedule: int) -> None:
        super().__init__(encoder, preset, **schedule)
        sizes = (preset.hidden_dim, preset.output_dim)
        self.projection = BYOLProjectionHead(num_features_of(encoder), *sizes)
        self.prediction = BYOLPredictionHead(preset.output_dim, *sizes)
        self.slow_encoder = slow_copy(encoder)
        self.slow_projection = slow_copy(self.projection)
        self.criterion = NegativeCosineSimilarity()

    def slow_copies(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the encoder and the projection with their slow copies."""
        return [(self.encoder, self.slow_encoder), (self.projection, self.slow_projection)]

    def contrast(self, views: Views, num_globals: int) -> tuple[Tensor, Tensor]:
        """Return twice the mean of 2 − 2cos over (view, other global view), in [0, 8].

        Of two views that is the paper's sum over both directions.
        """
        embeddings = [self.projection(self.encoder(view)) for view in views]
        predictions = [self.prediction(embedding).float() for embedding in embeddings]
        with torch.no_grad():
            targets = [
                self.slow_projection(self.slow_encoder(view)).float()
                for view in views[:num_globals]
            ]
        with full_precision(predictions[0]):
            losses = [
                self.criterion(prediction, target)
                for i, prediction in enumerate(predictions)
                for j, target in enumerate(targets)
                if i != j
            ]
            # The criterion is −cos.
            return 2 * (2 + 2 * torch.stack(losses).mean()), embeddings[0]
