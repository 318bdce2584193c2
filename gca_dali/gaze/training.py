"""The training loop between two epochs, and everything that resuming it needs.

Enters: images and maps in memory, settings. Leaves: weights, scores per epoch, a state of plain
tensors and numbers. Next: `fit` chooses the best epoch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from gca_dali.gaze.augment import Augmentation
from gca_dali.gaze.examples import Examples
from gca_dali.gaze.network import GazeNetwork, NetworkConfig, saliency_loss


@dataclass(frozen=True)
class FitSettings:
    """How a predictor is trained.

    Attributes
    ----------
    network : NetworkConfig
        Its shape.
    augmentation : Augmentation
        Of the training images.
    num_epochs, batch_size : int
        Length of the training, images per step.
    learning_rate : float
        Peak of AdamW's rate: a linear rise over the first tenth, then a cosine to zero.
    weight_decay : float
        Of AdamW.
    validation_share : float
        Of the patients, held out to choose the epoch.
    seed : int
        Of weights, order, augmentation and of the patients held out.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    num_epochs: int = 40
    batch_size: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    validation_share: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing is learned."""
        for name in ("num_epochs", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name} must be positive, got {getattr(self, name)}. Give a larger number."
                )
        if not 0 < self.validation_share < 1:
            raise ValueError(
                f"validation_share must lie between 0 and 1, got {self.validation_share}. Use 0.15."
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary that JSON can hold."""
        return asdict(self) | {"network": self.network.as_dict()}


@dataclass(frozen=True)
class Epoch:
    """Scores of one epoch: means over images.

    Attributes
    ----------
    training_loss, kld, cc : float
        Loss on augmented training images; KL divergence and correlation on held-out patients.
    """

    training_loss: float
    kld: float
    cc: float

    @property
    def loss(self) -> float:
        """Loss on the held-out patients, by which the epoch is chosen."""
        return self.kld - self.cc


class Training:
    """A training between two epochs: weights, optimiser, history, the best so far.

    Parameters
    ----------
    settings : FitSettings
        How to train.
    training, held_out : Examples
        Images to learn from, and images of other patients to choose the epoch by.
    device : torch.device
        Where the network lives.
    """

    def __init__(
        self, settings: FitSettings, training: Examples, held_out: Examples, device: torch.device
    ) -> None:
        self.settings, self.training, self.held_out = settings, training, held_out
        self.device = device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.network = GazeNetwork(settings.network).to(device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.history: list[Epoch] = []
        self.best_epoch = 0
        self.best: dict[str, torch.Tensor] = {}

    def train_epoch(self, number: int) -> Epoch:
        """Train once over all images and score the held-out ones.

        All randomness is drawn from (seed, number), so a resumed training draws the same.
        """
        generator = torch.Generator().manual_seed(self.settings.seed * 100_003 + number)
        order = torch.randperm(len(self.training), generator=generator).numpy()
        size = min(self.settings.batch_size, len(order))
        # A last batch of a few images would spoil the statistics of the normalisation layers.
        starts = range(0, len(order) - size + 1, size)
        self.network.train()
        losses = []
        for step, start in enumerate(starts):
            self._set_rate((number + step / len(starts)) / self.settings.num_epochs)
            batch = order[start : start + size]
            images, maps = self._load(self.training, batch)
            images, maps = self.settings.augmentation.apply(images, maps, generator)
            kld, correlation = saliency_loss(self.network(images), maps)
            loss = (kld - correlation).mean()
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        epoch = Epoch(float(torch.stack(losses).mean()), *self._score())
        self.history.append(epoch)
        if epoch.loss <= self.history[self.best_epoch].loss or not self.best:
            self.best_epoch = number
            self.best = {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}
        return epoch

    def state(self) -> dict:
        """Return what `resume` needs."""
        return {
            "identity": self._identity(),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "best_epoch": self.best_epoch,
            "history": [asdict(epoch) for epoch in self.history],
        }

    def resume(self, state: dict, path: Path) -> None:
        """Go on where a state was written.

        Raises
        ------
        ValueError
            Where it belongs to other settings or maps.
        """
        if state.get("identity") != self._identity():
            raise ValueError(
                f"{path} must belong to these settings and maps, got the state of another "
                f"training. Remove it to start anew."
            )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.history = [Epoch(**epoch) for epoch in state["history"]]

    def _identity(self) -> dict:
        """Return what tells one training from another."""
        mass = self.training.maps[:, ::7, ::7].astype("float64").sum()
        paths = "\n".join(self.training.path.tolist())
        return {"settings": self.settings.as_dict(), "paths": paths, "mass": float(mass)}

    def _set_rate(self, progress: float) -> None:
        """Set the learning rate at a point of the training, 0 to 1."""
        warm = torch.tensor(progress / 0.1).clamp(max=1.0)
        cosine = 0.5 * (1 + torch.cos(torch.pi * torch.tensor(max(progress - 0.1, 0) / 0.9)))
        for group in self.optimizer.param_groups:
            group["lr"] = float(self.settings.learning_rate * warm * cosine)

    def _load(self, examples: Examples, batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images [B, 1, h, w] and maps [B, mh, mw] on the device."""
        images = torch.from_numpy(examples.images[batch]).to(self.device).float()[:, None]
        return images, torch.from_numpy(examples.maps[batch]).to(self.device)

    @torch.no_grad()
    def _score(self) -> tuple[float, float]:
        """Return KL divergence and correlation on the held-out images."""
        self.network.eval()
        scores = []
        for start in range(0, len(self.held_out), self.settings.batch_size):
            images, maps = self._load(self.held_out, slice(start, start + self.settings.batch_size))
            scores.append(torch.stack(saliency_loss(self.network(images), maps), dim=1))
        kld, correlation = torch.cat(scores).mean(0).tolist()
        return kld, correlation
