"""Sample indices → encoded bytes: the source that feeds the pipeline, and DALI's file reader.

Enters: batches of sample indices from `order`. Leaves: encoded files, and one key (index, epoch)
per sample. Next: `decode`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.order import replacement

if TYPE_CHECKING:
    from gca_dali.quarantine import Quarantine


class BatchSource:
    """The callback of the pipeline's external source: one call, one batch.

    Parameters
    ----------
    files : list of str
        Absolute paths, one per row of the manifest.
    quarantine : Quarantine
        Samples that are replaced.
    seed : int
        Key of the replacements.
    """

    def __init__(self, files: list[str], quarantine: Quarantine, seed: int) -> None:
        self.files = [np.frombuffer(file.encode(), np.uint8) for file in files]
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
        index = np.array([self.readable(i) for i in next(self.batches).tolist()], np.int64)
        keys = np.stack([index, np.full_like(index, self.epoch)], axis=1)
        return [self.files[i] for i in index], keys

    def readable(self, index: int) -> int:
        """Return `index`, or the first readable one of its replacements."""
        candidate, attempt = index, 0
        while candidate in self.quarantine:
            candidate = replacement(index, attempt, len(self.files), self.seed)
            attempt += 1
        return candidate


def read_files(paths: Any) -> Any:
    """Return the files' bytes: paths (DALI, uint8) → encoded images (DALI, uint8, 1-D)."""
    import nvidia.dali.fn as fn

    return fn.io.file.read(paths)
