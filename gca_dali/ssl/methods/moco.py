"""MoCo v2 (Chen et al. 2020, arXiv 2003.04297): a queue of keys from a slow encoder."""

from __future__ import annotations

import torch
from lightly.loss import NTXentLoss
from lightly.models import utils
from lightly.models.modules import MoCoProjectionHead
from lightly.utils import dist
from torch import Tensor, nn

from gca_dali.ssl.encoders import num_features_of
from gca_dali.ssl.methods.base import ContrastiveModule, full_precision, slow_copy
from gca_dali.ssl.methods.view_groups import Views
from gca_dali.ssl.presets import MethodPreset


class MoCo(ContrastiveModule):
    """The last global view gives the key; every other view, global or local, asks for it.

    One key per image and step enters the queue, as published, however many views there are.
    """

    def __init__(self, encoder: nn.Module, preset: MethodPreset, **schedule: int) -> None:
        super().__init__(encoder, preset, **schedule)
        self.projection = MoCoProjectionHead(
            num_features_of(encoder), preset.hidden_dim, preset.output_dim
        )
        self.slow_encoder = slow_copy(encoder)
        self.slow_projection = slow_copy(self.projection)
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

    def contrast(self, views: Views, num_globals: int) -> tuple[Tensor, Tensor]:
        """Return InfoNCE of each view's queries against the keys and the queue."""
        asking = [view for number, view in enumerate(views) if number != num_globals - 1]
        queries = [self.projection(self.encoder(view)).float() for view in asking]
        key = self._embed_keys(views[num_globals - 1]).float()
        with full_precision(key):
            # The queue takes the keys once, after all have asked: an own key is no negative.
            losses = [self._ask(query, key) for query in queries[1:]]
            losses.append(self.criterion(queries[0], key))
            return torch.stack(losses).mean(), queries[0]

    def _ask(self, query: Tensor, key: Tensor) -> Tensor:
        """Return InfoNCE against the queue as it is."""
        query, key = nn.functional.normalize(query), nn.functional.normalize(key)
        positive = (query * key).sum(1, keepdim=True)
        # A copy: the queue changes in place before the gradient is taken.
        negative = query @ self.criterion.memory_bank.bank.T.clone()
        logits = torch.cat([positive, negative], 1) / self.preset.temperature
        return nn.functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))

    @torch.no_grad()
    def _embed_keys(self, view: Tensor) -> Tensor:
        shuffled = self.preset.batch_norm == "shuffled" and dist.world_size() > 1
        if not shuffled:
            return self.slow_projection(self.slow_encoder(view))
        # Keys meet other images in their batch norm than queries do (He et al. 2020, section 3.3).
        view, order = utils.batch_shuffle(view, distributed=True)
        key = self.slow_projection(self.slow_encoder(view))
        return utils.batch_unshuffle(key, order, distributed=True)
