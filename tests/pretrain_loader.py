"""A loader of `ViewBatch`es from arrays in memory, for tests of training alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gca_dali.policy.group import ViewGroup
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.steps.batch import ViewBatch


def make_patterns(
    num_images: int, size_px: int = 40, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return grey images [N, S, S] of three kinds of stripes, and their kind [N]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size_px, :size_px] / size_px
    label = np.arange(num_images) % 3
    images = np.empty((num_images, size_px, size_px), np.float32)
    for i, kind in enumerate(label):
        period, phase = 4 + 2 * kind, rng.uniform(0, 6.3)
        angle = rng.normal(0.0, 0.2)
        wave = np.sin(6.3 * period * (x * np.cos(angle) + y * np.sin(angle)) + phase)
        images[i] = wave * rng.uniform(0.4, 1.0) + rng.normal(0, 0.5, wave.shape)
    return images, label.astype(np.int64)


@dataclass(frozen=True)
class Settings:
    """Images per batch of this process."""

    batch_size: int


class PatternLoader:
    """Yields randomly cropped and flipped views; keyed by (seed, epoch, index, view).

    Of two sizes where there are local views.
    """

    def __init__(
        self,
        num_images: int = 48,
        batch_size: int = 16,
        view_px: int = 32,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        num_views: int = 2,
        num_locals: int = 0,
    ) -> None:
        self.images, self.labels = make_patterns(num_images)
        self.batch_size, self.view_px, self.seed = batch_size, view_px, seed
        self.rank, self.world_size = rank, world_size
        self.sizes_px = [view_px] * num_views + [view_px // 2] * num_locals
        self.config = Settings(batch_size)
        groups = [ViewGroup(num_views, view_px)]
        groups += [ViewGroup(num_locals, view_px // 2)] if num_locals else []
        self.policy = ViewPolicy(tuple(groups))
        self.epoch = self.num_done = 0
        self.on_batch: Callable[[int], None] = lambda number: None
        self._resumed = False

    def __len__(self) -> int:
        return len(self.images) // (self.batch_size * self.world_size)

    def __iter__(self) -> Iterator[ViewBatch]:
        if not self._resumed:
            self.num_done = 0
        self._resumed = False
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.images))
        num_global = self.batch_size * self.world_size
        for number in range(self.num_done, len(self)):
            step = order[number * num_global : (number + 1) * num_global]
            self.num_done = number + 1
            self.on_batch(self.epoch * len(self) + number)
            yield self._make_batch(step[self.rank :: self.world_size])
        self.epoch, self.num_done = self.epoch + 1, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch, self.num_done, self._resumed = epoch, 0, False

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "num_done": self.num_done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self.num_done, self._resumed = state["epoch"], state["num_done"], True

    def _make_batch(self, indices: np.ndarray) -> ViewBatch:
        views = tuple(
            torch.from_numpy(np.stack([self._make_view(i, v) for i in indices])[:, None])
            for v in range(len(self.sizes_px))
        )
        shape = (len(indices), len(self.sizes_px))
        return ViewBatch(
            views=views,
            index=torch.from_numpy(indices.astype(np.int64)),
            label=torch.from_numpy(self.labels[indices]),
            windows=torch.zeros(*shape, 4),
            retained=torch.ones(shape),
            grown=torch.zeros(shape, dtype=torch.bool),
            flipped=torch.zeros(shape, dtype=torch.bool),
            focus=torch.full((len(indices), 2), torch.nan),
            groups=self.policy.slices,
        )

    def _make_view(self, index: int, view: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, self.epoch, int(index), view])
        image, size = self.images[index], self.sizes_px[view]
        y0, x0 = rng.integers(0, image.shape[0] - size + 1, 2)
        crop = image[y0 : y0 + size, x0 : x0 + size]
        crop = crop[:, ::-1] if rng.random() < 0.5 else crop
        return np.ascontiguousarray(crop * rng.uniform(0.6, 1.4), dtype=np.float32)
