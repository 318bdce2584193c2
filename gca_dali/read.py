"""Sample indices → encoded bytes: the source that feeds the pipeline, and DALI's file reader.

Enters: batches of sample indices from `order`. Leaves: encoded files, and one key (index, epoch)
per sample. Next: `decode`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.order import replacement

if TYPE_CHECKING:
    from gca_dali.manifest import Manifest
    from gca_dali.quarantine import Quarantine


class BatchSource:
    """The callback of the pipeline's external source: one call, one batch.

    Parameters
    ----------
    manifest : Manifest
    quarantine : Quarantine
        Samples that are replaced; files that are missing or have changed are added.
    seed : int
        Key of the replacements.
    """

    def __init__(self, manifest: Manifest, quarantine: Quarantine, seed: int) -> None:
        self.files = manifest.files
        self.num_bytes = manifest.num_bytes
        self.quarantine = quarantine
        self.seed = seed
        self.batches: Iterator[np.ndarray] = iter(())
        self.epoch = 0

    def start(self, batches: Iterator[np.ndarray], epoch: int) -> None:
        """Serve these batches from the next call on."""
        self.batches, self.epoch = batches, epoch

    def stop(self) -> None:
        """End the epoch at the next call."""
        self.batches = iter(())

    def __call__(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Return encoded paths and keys (index, epoch), int64, [B, 2], of the next batch."""
        index = self.readable(next(self.batches))
        keys = np.stack([index, np.full_like(index, self.epoch)], axis=1)
        return [np.frombuffer(self.files[i].encode(), np.uint8) for i in index], keys

    def readable(self, batch: np.ndarray) -> np.ndarray:
        """Return the batch with each sample that cannot be read replaced by one that can."""
        return np.array([self.readable_one(index) for index in batch.tolist()], np.int64)

    def readable_one(self, index: int) -> int:
        """Return `index`, or the first readable one of its replacements."""
        candidate, attempt = index, 0
        while candidate in self.quarantine or self.has_changed(candidate):
            candidate = replacement(index, attempt, len(self.files), self.seed)
            attempt += 1
        return candidate

    def has_changed(self, index: int) -> bool:
        """Set a file aside that is missing, or is no longer as long as when it was indexed.

        A decoder fills a shortened JPEG with grey and reports no error.
        """
        expected = int(self.num_bytes[index])
        try:
            size = os.stat(self.files[index]).st_size
        except OSError as error:
            self.quarantine.add(index, f"it cannot be opened: {error.strerror}")
            return True
        if expected and size != expected:
            self.quarantine.add(index, f"it has {size} bytes, {expected} when it was indexed")
            return True
        return False


def read_files(paths: Any) -> Any:
    """Return the files' bytes: paths (DALI, uint8) → encoded images (DALI, uint8, 1-D)."""
    import nvidia.dali.fn as fn

    return fn.io.file.read(paths)
