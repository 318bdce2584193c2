"""Sample indices → encoded bytes: the source that feeds the pipeline, and DALI's file reader.

Enters: batches of sample indices from `order`. Leaves: encoded files or ready images, and one key
(index, epoch) per sample. Next: `decode`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.common.machine import MachineFaultError, Patience, describe
from gca_dali.data.fetch import make_dali_fetcher, make_fetcher
from gca_dali.steps.device import CPU
from gca_dali.steps.order import replacement
from gca_dali.steps.warned import Served

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.steps.quarantine import Quarantine

# While DALI works on a batch, threads fetch the next one.
NUM_AHEAD = 2

Sample = tuple[int, np.ndarray]


class BatchSource:
    """The callback of the pipeline's external source: one call, one batch.

    Parameters
    ----------
    manifest : Manifest
    quarantine : Quarantine
        Samples that are replaced; those that cannot be fetched are added.
    seed : int
        Key of the replacements.
    num_threads : int
        Samples fetched at once.
    device : str
        Of the loader; for "cpu", PNGs are decoded here where that spares DALI altogether.

    Attributes
    ----------
    gives : str
        "paths", "encoded" or "images": what the pipeline is given, see `fetch.Fetcher`.
    """

    def __init__(
        self,
        manifest: Manifest,
        quarantine: Quarantine,
        seed: int,
        num_threads: int = 1,
        device: str = CPU,
    ) -> None:
        self.fetcher = (make_fetcher if device == CPU else make_dali_fetcher)(manifest)
        self.gives = self.fetcher.gives
        self.num_samples = len(manifest)
        self.is_deep = manifest.bits > 8
        self.quarantine = quarantine
        self.seed = seed
        self.batches: Iterator[np.ndarray] = iter(())
        self.epoch = 0
        self.patience = Patience()
        self._served = Served(manifest)
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="gca_dali-read")
        self._ahead: deque[list[Future[list[Sample]]]] = deque()
        self._lock = Lock()
        self._turn = Lock()  # one thread asks for batches, another stops them

    def start(self, batches: Iterator[np.ndarray], epoch: int) -> None:
        """Serve these batches from the next call on."""
        self.stop()
        self.batches, self.epoch = batches, epoch
        self.patience = Patience()

    def stop(self) -> None:
        """End the epoch at the next call."""
        with self._turn:
            self.batches = iter(())
            for part in (part for parts in self._ahead for part in parts):
                part.cancel()
            self._ahead.clear()

    def __call__(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Return samples and keys (index, epoch), int64, [B, 2], of the next batch.

        Raises
        ------
        MachineFaultError
            If the machine cannot open or decode files at the moment; none is set aside for that.
        """
        with self._turn:
            self._served.look()
            while len(self._ahead) < NUM_AHEAD and (batch := next(self.batches, None)) is not None:
                self._ahead.append(self._submit(batch.tolist()))
            if not self._ahead:
                raise StopIteration
            found = [sample for part in self._ahead.popleft() for sample in part.result()]
        index = np.array([index for index, _ in found], np.int64)
        self._served.note(index)
        keys = np.stack([index, np.full_like(index, self.epoch)], axis=1)
        return [data for _, data in found], keys

    def _submit(self, batch: list[int]) -> list[Future[list[Sample]]]:
        step = self.fetcher.num_together
        parts = [batch[first : first + step] for first in range(0, len(batch), step)]
        return [self._threads.submit(self._fetch_part, part) for part in parts]

    def _fetch_part(self, part: list[int]) -> list[Sample]:
        return [self.fetch(index) for index in part]

    def fetch(self, index: int, *, as_file: bool = False) -> Sample:
        """Return `index`, or the first readable one of its replacements, and its data.

        Parameters
        ----------
        index : int
        as_file : bool
            Read the file where the fetcher gives its path.
        """
        candidate, attempt = index, 0
        while True:
            if candidate not in self.quarantine:
                try:
                    return candidate, self._load(candidate, as_file)
                except MachineFaultError:
                    raise
                except (OSError, ValueError) as error:
                    self._set_aside(candidate, error)
            # Another thread may have set the last one aside.
            self.quarantine.check_left()
            candidate = replacement(index, attempt, self.num_samples, self.seed)
            attempt += 1

    def _load(self, index: int, as_file: bool) -> np.ndarray:
        def load() -> np.ndarray:
            data = self.fetcher.fetch(index)
            if as_file and self.gives == "paths":
                data = np.fromfile(data.tobytes().decode(), np.uint8)
            return data

        return self.patience.call(load, self.quarantine.paths[index])

    def find_deep(self, keys: list[np.ndarray]) -> list[np.ndarray]:
        """Tell which samples have more than 8 bits: keys, int64, B × [2] → bool, B × []."""
        return [self.is_deep[key[0], ...] for key in keys]

    def _set_aside(self, index: int, error: OSError | ValueError) -> None:
        reason = getattr(error, "reason", None) or describe(error)
        if isinstance(error, OSError):
            reason = f"it cannot be opened: {reason}"
        with self._lock:
            if index not in self.quarantine:
                self.quarantine.add(index, reason)


def read_samples(source: BatchSource) -> tuple[Any, Any]:
    """Return the samples (DALI; encoded: uint8, 1-D; or images, [H, W, 1]) and keys of a source."""
    import nvidia.dali.fn as fn

    layout = ["HWC" if source.gives == "images" else "", ""]
    samples, keys = fn.external_source(source, num_outputs=2, batch=True, layout=layout)
    return (read_files(samples) if source.gives == "paths" else samples), keys


def read_files(paths: Any) -> Any:
    """Return the files' bytes: paths (DALI, uint8) → encoded images (DALI, uint8, 1-D)."""
    import nvidia.dali.fn as fn

    return fn.io.file.read(paths)
