"""Fine-tuning: a whole network learns from the rows of a subset, starting at an encoder.

Enters: an encoder, a manifest and its rows to learn from. Leaves: class probabilities of other
rows. Next: `scores`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from gca_dali.common.progress import track
from gca_dali.loader import GCALoader
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.ssl.encoders import num_features_of
from gca_dali.ssl.features import load_whole_images
from gca_dali.ssl.processes import choose_training_device
from gca_dali.ssl.splits import VALIDATION_SHARE, hold_out

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.ssl.encoders import EncoderConfig

RATES = (1e-4, 1e-3)
_WEIGHT_DECAY = 0.05


@dataclass(frozen=True)
class Finetuning:
    """How a network is fine-tuned.

    Attributes
    ----------
    encoder : EncoderConfig
        What the views must be.
    num_classes : int
        Outputs of the head.
    num_epochs : int
        Passes over the rows to learn from.
    batch_size : int
        Images per step, at most.
    device : str
        "auto", "cpu" or "cuda".
    seed : int
        Of views, head and the choice of the learning rate.
    """

    encoder: EncoderConfig
    num_classes: int
    num_epochs: int
    batch_size: int
    device: str
    seed: int

    def fit(self, encoder: nn.Module, rows: Manifest, groups: np.ndarray) -> nn.Module:
        """Fine-tune a copy of an encoder; the learning rate does best on held-out patients.

        Parameters
        ----------
        encoder : torch.nn.Module
            Left as it is.
        rows : Manifest
            Labelled rows to learn from.
        groups : numpy.ndarray, int64, [N]
            Their patients: a fifth of them chooses the learning rate, then all are learnt.

        Returns
        -------
        torch.nn.Module
            Maps views [B, C, H, W] to logits [B, K].
        """
        held_out = hold_out(groups, VALIDATION_SHARE, self.seed)
        rate = RATES[0]
        if held_out.any():
            learn, check = rows.take(np.flatnonzero(~held_out)), rows.take(np.flatnonzero(held_out))
            losses = [self._loss(self._train(encoder, learn, rate), check) for rate in RATES]
            rate = RATES[int(np.argmin(losses))]
        return self._train(encoder, rows, rate)

    def predict(self, network: nn.Module, rows: Manifest) -> tuple[np.ndarray, np.ndarray]:
        """Return class probabilities, float64, [N, K], and whether each row was read, bool, [N]."""
        probability = np.zeros((len(rows), self.num_classes))
        seen = np.zeros(len(rows), bool)
        chosen = choose_training_device(self.device)
        network.eval()
        with torch.inference_mode():
            for batch in load_whole_images(rows, self.encoder, self.batch_size, self.device):
                index = batch.index.cpu().numpy()
                logits = network(batch.views[0].to(chosen).float()).double()
                probability[index] = logits.softmax(1).cpu().numpy()
                seen[index] = True
        return probability, seen

    def _loss(self, network: nn.Module, rows: Manifest) -> float:
        probability, seen = self.predict(network, rows)
        chosen = probability[np.arange(len(rows)), rows.label]
        return float(-np.log(np.maximum(chosen[seen], 1e-6)).mean())

    def _train(self, encoder: nn.Module, rows: Manifest, rate: float) -> nn.Module:
        chosen = choose_training_device(self.device)
        torch.manual_seed(self.seed)
        head = nn.Linear(num_features_of(encoder), self.num_classes)
        network = nn.Sequential(copy.deepcopy(encoder), head).to(chosen).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=_WEIGHT_DECAY)
        loader = self._load_views(rows)
        num_steps = self.num_epochs * len(loader)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps)
        for _ in track(range(self.num_epochs), self.num_epochs, "fine-tuning"):
            for batch in loader:
                logits = network(batch.views[0].to(chosen).float())
                loss = nn.functional.cross_entropy(logits, batch.label.to(chosen))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
        return network

    def _load_views(self, rows: Manifest) -> GCALoader:
        """Load one mildly cropped view per image: the label stays, so the lesion must."""
        look = self.encoder
        policy = ViewPolicy.random(
            size_range=(0.5, 1.0),
            size=look.view_size_px,
            num_views=1,
            channels=look.num_channels,
            mean=look.mean,
            deviation=look.deviation,
        )
        return GCALoader(
            rows,
            policy,
            batch_size=min(self.batch_size, len(rows)),
            device=self.device,
            seed=self.seed,
        )
