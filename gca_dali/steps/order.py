"""Which sample comes when: epoch orders, ranks and positions, all functions of a key.

Enters: (seed, epoch, rank, world size). Leaves: sample indices of each batch. Next: `read`. An
epoch is one permutation; consecutive global batches of it are shared out among the ranks, so the
samples of a global batch do not depend on how many ranks share it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gca_dali.common.checks import check_at_least
from gca_dali_kernels.philox import ORDER, REPLACEMENT, draw, philox_array


@dataclass(frozen=True)
class Order:
    """The order of one rank's samples.

    Attributes
    ----------
    num_samples : int
    batch_size : int
        Images per batch of this rank.
    seed : int
        64 bits.
    rank, world_size : int
    shuffle : bool
        False keeps the manifest's order in every epoch.
    drop_last : bool
        Leave out the last, incomplete global batch. Otherwise it is filled from the start of the
        epoch's order up to a multiple of the world size, so that all ranks take as many batches.
    """

    num_samples: int
    batch_size: int
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    shuffle: bool = True
    drop_last: bool = True

    def __post_init__(self) -> None:
        """Refuse orders without a batch."""
        check_at_least("batch_size", self.batch_size, 1)
        check_at_least("world_size", self.world_size, 1)
        check_at_least("rank", self.rank, 0)
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must be 0 to 2**64 - 1, got {self.seed}.")
        if self.rank >= self.world_size:
            raise ValueError(
                f"rank must be below world_size {self.world_size}, got {self.rank}. "
                "Ranks count from 0."
            )
        if self.drop_last and self.num_samples < self.global_batch_size:
            raise ValueError(
                f"batch_size times world_size must be at most the {self.num_samples} samples, got "
                f"{self.global_batch_size}. Take smaller batches or drop_last=False."
            )

    @property
    def global_batch_size(self) -> int:
        """Images per batch of all ranks together."""
        return self.batch_size * self.world_size

    def num_batches(self, position: int = 0) -> int:
        """Return how many batches are left of an epoch of which `position` samples are consumed."""
        left = max(self.num_samples - position, 0)
        if self.drop_last:
            return left // self.global_batch_size
        return -(-left // self.global_batch_size)

    def permutation(self, epoch: int) -> np.ndarray:
        """Return the epoch's order of all samples, int64, [N]."""
        if not self.shuffle:
            return np.arange(self.num_samples)
        counters = np.zeros((self.num_samples, 4), np.uint32)
        counters[:, 0] = np.arange(self.num_samples)
        counters[:, 2], counters[:, 3] = epoch, ORDER
        words = philox_array(counters, self.seed).astype(np.uint64)
        return np.argsort(words[:, 0] << np.uint64(32) | words[:, 1], kind="stable")

    def batches(self, epoch: int, position: int = 0) -> Iterator[np.ndarray]:
        """Yield this rank's sample indices, batch by batch.

        Parameters
        ----------
        epoch : int
        position : int
            Samples of the epoch that all ranks together have consumed; any number.

        Yields
        ------
        numpy.ndarray, int64, [at most batch_size]
        """
        order = self.permutation(epoch)
        for batch in range(self.num_batches(position)):
            first = position + batch * self.global_batch_size
            part = order[first : first + self.global_batch_size]
            missing = -len(part) % self.world_size
            part = np.concatenate([part, np.resize(order, missing)])
            yield part[self.rank :: self.world_size]


def replacement(index: int, attempt: int, num_samples: int, seed: int) -> int:
    """Return the sample that stands in for an unreadable one at this attempt."""
    return draw(seed, 0, index, REPLACEMENT, attempt)[0] * num_samples >> 32
