"""A data set that fits: each image decoded once and kept in memory, on the GPU or in RAM.

Enters: a manifest's samples, as `read` gives them. Leaves: `ResidentPipeline`, which stands where
the DALI pipeline of `pipeline` stands and has its outputs. Next: `windows`, `views`, `deliver`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.pipeline import ViewMaker, build_pipeline
from gca_dali.steps.decode import EIGHT_BITS
from gca_dali.steps.device import CPU, current, is_out_of_memory
from gca_dali.steps.order import replacement
from gca_dali.steps.quarantine import UnreadableFileError

if TYPE_CHECKING:
    from gca_dali.steps.read import BatchSource

FILL_BATCH = 64


class ResidentPipeline:
    """Batches of images that are in memory; all are decoded when it is made.

    Parameters
    ----------
    source : BatchSource
    maker : ViewMaker
    deep : bool
        Decode to 16 bits.
    device : str
        "cpu" or "cuda:N".
    find_faults : callable
        Takes indices that could not be decoded together and the error; sets files aside or raises.

    Raises
    ------
    RuntimeError
        If the images do not fit.
    """

    def __init__(
        self,
        source: BatchSource,
        maker: ViewMaker,
        *,
        deep: bool,
        device: str,
        find_faults: Callable[[np.ndarray, Exception], None],
    ) -> None:
        self.source, self.maker, self.device = source, maker, device
        num_samples = source.num_samples
        self.images: list[Any] = [None] * num_samples  # torch.Tensor, [H, W]
        self.ranges = np.tile(EIGHT_BITS, (num_samples, 1))
        wanted = source.batches, source.epoch
        starts = range(0, num_samples, FILL_BATCH)
        batches = [np.arange(first, min(first + FILL_BATCH, num_samples)) for first in starts]
        while batches:
            try:
                with current(device):
                    self._fill(batches, deep)
            except UnreadableFileError:
                raise
            except (RuntimeError, MemoryError) as error:
                self._refuse_too_many(error)
                find_faults(batches[0], error)
        source.start(*wanted)
        self._assign()

    def _assign(self) -> None:
        """Note for each sample which image stands for it, and where that lies."""
        quarantine = self.source.quarantine
        self.stand_in = np.array([self._find_stand_in(i) for i in range(len(self.images))])
        there = [self.images[index] for index in self.stand_in.tolist()]
        self.pointers = np.array([image.data_ptr() for image in there], np.uint64)
        self.shapes = np.array([image.shape for image in there], np.int32)
        self._assigned = quarantine.reasons, len(quarantine.reasons)

    def _fill(self, batches: list[np.ndarray], deep: bool) -> None:
        """Decode batches; each is taken off the list when its images are in memory."""
        import torch

        self.source.start(iter(list(batches)), 0)
        where = {"deep": deep, "device": self.device}
        pipeline = build_pipeline(self.source, self.maker, batch_size=FILL_BATCH, **where)
        # DALI keeps what is exported by DLPack until the copy from it is done.
        stream = None if self.device == CPU else torch.cuda.current_stream(self.device)
        while batches:
            images, keys, *ranges = pipeline.run(stream)
            for place, index in enumerate(keys.as_array()[:, 0].tolist()):
                if self.images[index] is None:
                    self.images[index] = torch.from_dlpack(images[place]).squeeze(-1).clone()
                    if ranges:
                        self.ranges[index] = np.asarray(ranges[0][place])
            batches.pop(0)
        if stream is not None:
            stream.synchronize()  # others may read the copies

    def _refuse_too_many(self, error: RuntimeError | MemoryError) -> None:
        """Raise a RuntimeError that names the remedy if the images do not fit."""
        if is_out_of_memory(error):
            num_there = sum(image is not None for image in self.images)
            raise RuntimeError(
                f"GPU memory must hold all {len(self.images)} images with resident=True, got room "
                f"for {num_there}. Make them smaller with 'gca-dali prepare', or leave it out."
            ) from error

    def _find_stand_in(self, index: int) -> int:
        """Return `index`, or the sample that takes its place; as `BatchSource.fetch` does."""
        found, attempt = index, 0
        while found in self.source.quarantine or self.images[found] is None:
            self.source.quarantine.check_left()
            found = replacement(index, attempt, len(self.images), self.source.seed)
            attempt += 1
        return found

    def run(self, stream: Any = None) -> tuple[Any, ...]:
        """Return the next batch as the DALI pipeline would.

        Parameters
        ----------
        stream : optional
            Of the caller; images in memory are ready on any.

        Raises
        ------
        StopIteration
            At the end of the epoch.
        """
        reasons = self.source.quarantine.reasons
        if self._assigned[0] is not reasons or self._assigned[1] != len(reasons):
            self._assign()  # a state was loaded that sets other files aside
        batch = next(self.source.batches)
        index = self.stand_in[batch]
        keys = np.stack([index, np.full_like(index, self.source.epoch)], axis=1)
        images = [self.images[i] for i in index.tolist()]
        if self.device == CPU:
            arrays = [image.numpy() for image in images]
            return self.maker.make(arrays, keys)
        from gca_dali.runners.cuda import DeviceImages

        dtype = str(images[0].dtype).removeprefix("torch.")
        there = DeviceImages(self.pointers[batch], self.shapes[batch], dtype, images)
        return there, keys, self.ranges[index]

    def reset(self) -> None:
        """Do nothing: the next epoch starts with its batches."""
