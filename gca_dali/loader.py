"""`GCALoader`: the iterator that training loops use.

Enters: a manifest, a policy, a saliency source. Leaves: `ViewBatch`es, epoch after epoch, from a
position that can be saved. Here is what goes on around `pipeline`: early exits, resumes, bad files.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from gca_dali.common.checks import check_at_least
from gca_dali.common.machine import MachineFaultError, Patience, is_machine_fault
from gca_dali.pipeline import ViewMaker, build_pipeline
from gca_dali.policy.files import to_text
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.runners.cpu import CpuViews
from gca_dali.runners.resident import ResidentPipeline
from gca_dali.steps.decode import find_fault
from gca_dali.steps.deliver import Made, deliver
from gca_dali.steps.device import CPU, choose_device, is_explained, may_pass, on_device
from gca_dali.steps.options import LoaderOptions, read_options
from gca_dali.steps.order import Order
from gca_dali.steps.quarantine import Quarantine, UnreadableFileError
from gca_dali.steps.read import BatchSource
from gca_dali.steps.saliency import SaliencySource, load_saliency
from gca_dali.steps.state import STATE_VERSION, check_state
from gca_dali_kernels.cpu.ahead import compile_ahead
from gca_dali_kernels.cpu.parallel import num_cores

if TYPE_CHECKING:
    import torch
    from nvidia.dali import Pipeline
    from typing_extensions import Unpack

    from gca_dali.data.manifest import Manifest
    from gca_dali.runners.cuda import CudaViews
    from gca_dali.steps.batch import ViewBatch


class GCALoader:
    """Batches of gaze-conditioned views of a manifest's images.

    Parameters
    ----------
    manifest : Manifest
    policy : ViewPolicy, optional
        `ViewPolicy.gca()` by default.
    saliency : SaliencySource
        Maps, or a predictor of them; see `gca_dali.steps.saliency.load_saliency`.
    **options
        The fields of `LoaderConfig`, by name.

    Attributes
    ----------
    device, epoch : str, "cpu" or "cuda:N"; int, the one that is running, or else the next
    quarantine : Quarantine, path and reason of each file that is set aside

    Raises
    ------
    TypeError, ValueError, FileNotFoundError, RuntimeError
        If an option is unknown or out of range, maps are missing or wrong, or the device unusable.

    Examples
    --------
    >>> loader = GCALoader(manifest, saliency="centre", batch_size=32)  # doctest: +SKIP
    >>> next(iter(loader)).views[0].shape  # doctest: +SKIP
    torch.Size([32, 1, 224, 224])
    """

    def __init__(
        self,
        manifest: Manifest,
        policy: ViewPolicy | None = None,
        saliency: SaliencySource = None,
        **options: Unpack[LoaderOptions],
    ) -> None:
        import torch

        self.manifest = manifest
        self.policy = policy if policy is not None else ViewPolicy.gca()
        self.config = config = read_options(options)
        if saliency is None and self.policy.reads_saliency:
            raise ValueError(
                "saliency must be given for a policy that looks at it, got None. Pass a folder of "
                "maps, a predictor or 'centre', or use ViewPolicy.random()."
            )
        self.device = choose_device(config.device)
        self.order = Order(
            num_samples=len(manifest),
            batch_size=config.batch_size,
            seed=config.seed,
            rank=config.rank,
            world_size=config.world_size,
            shuffle=config.shuffle,
            drop_last=config.drop_last,
        )
        self.quarantine = Quarantine(manifest, config.on_error)
        self.table = load_saliency(saliency, manifest)
        self.labels: torch.Tensor = torch.from_numpy(manifest.label.copy())
        self.num_threads = threads = config.num_threads or num_cores()
        self.source = BatchSource(manifest, self.quarantine, config.seed, threads, self.device)
        if self.device == CPU:
            compile_ahead("uint16" if self._deep else "uint8")
        self.epoch = 0  # that the next batch belongs to
        self.position = 0  # samples of it that all ranks together have consumed
        self._resumed = False
        self._iterations = 0

    def __len__(self) -> int:
        """Return the number of batches in a whole epoch."""
        return self.order.num_batches()

    def __iter__(self) -> Iterator[ViewBatch]:
        """Start an epoch; after `load_state_dict`, go on with the one that was interrupted.

        Raises
        ------
        RuntimeError
            If it is used after a newer iterator has started; if a file cannot be read and
            `on_error` is "raise", or none can; or if the machine has a fault that does not pass.
        """
        if self.position and not self._resumed:
            self.epoch, self.position = self.epoch + 1, 0
        self._iterations += 1
        self._resumed = False
        return self._iterate(self._iterations)

    def _iterate(self, iteration: int) -> Iterator[ViewBatch]:
        if iteration == self._iterations:
            self._start()
        while True:
            if iteration != self._iterations:
                raise RuntimeError(
                    "loader must be iterated by one loop at a time, got an iterator that is used "
                    "after a newer one has started. Make a GCALoader for each loop, also for zip."
                )
            try:
                outputs = self._patience.call(self._take, "a batch", may_pass)
                finish = partial(self._finish, outputs)
                batch = self._patience.call(finish, "a batch", may_pass)
            except StopIteration:
                self._pipeline.reset()
                self.epoch, self.position = self.epoch + 1, 0
                return
            except Exception:
                self._give_up()
                raise
            self.position += self.order.global_batch_size
            yield batch

    def _take(self) -> tuple[Any, ...]:
        """Return the next batch; what cannot be decoded of it is set aside."""
        while True:
            try:
                return self._run()
            except (UnreadableFileError, MachineFaultError):
                raise
            except (RuntimeError, OSError, MemoryError) as error:
                self._set_aside(error)

    def _run(self) -> tuple[Any, ...]:
        with on_device(self.device):
            return self._pipeline.run(self._cuda.stream() if self._cuda else None)

    def _finish(self, outputs: tuple[Any, ...]) -> ViewBatch:
        """Return what is handed out of the outputs of the pipeline."""
        if self._cuda is not None:
            return self._cuda(outputs)
        return deliver(Made(*outputs), self.labels, self.policy)

    def _give_up(self) -> None:
        """Fetch nothing more; the next epoch builds a pipeline of its own."""
        self.__dict__.pop("_pipeline", None)
        self.source.stop()

    @cached_property
    def _maker(self) -> ViewMaker:
        sizes = np.stack([self.manifest.height, self.manifest.width], axis=1)
        given = (self.policy, self.table, sizes, self.manifest.stretched)
        return ViewMaker(*given, self.config.seed, self.num_threads)

    @cached_property
    def _pipeline(self) -> Pipeline | ResidentPipeline | CpuViews:
        """The pipeline, built at the first batch."""
        given, where = (self.source, self._maker), {"deep": self._deep, "device": self.device}
        if self.config.resident:
            return ResidentPipeline(*given, **where, find_faults=self._find_faults)
        if self.source.gives == "images" and self.device == CPU:
            return CpuViews(*given)  # there is nothing to decode
        pipeline = build_pipeline(*given, batch_size=self.config.batch_size, **where)
        return CpuViews(pipeline, self._maker) if self.device == CPU else pipeline

    @cached_property
    def _cuda(self) -> CudaViews | None:
        """The steps after decoding on a GPU; None on the CPU."""
        if self.device == CPU:
            return None
        from gca_dali.runners.cuda import CudaViews

        return CudaViews(self._maker, self.manifest.label, self.device)

    @property
    def _deep(self) -> bool:
        return bool((self.manifest.bits > 8).any())

    def _start(self) -> None:
        """Serve the rest of the epoch; batches that were prefetched for another are dropped."""
        self._patience = Patience()
        if "_pipeline" in self.__dict__:
            self.source.stop()
            self._drain()
        self.source.start(self.order.batches(self.epoch, self.position), self.epoch)

    def _drain(self) -> None:
        while True:
            try:
                self._run()
            except StopIteration:
                self._pipeline.reset()
                return
            except Exception:
                # What failed is no longer wanted; a failed pipeline is not to be used again.
                self.__dict__.pop("_pipeline", None)
                return

    def _set_aside(self, error: Exception) -> None:
        """Find what made a batch fail, set it aside, and start again at the same position."""
        self._give_up()
        try:
            self._find_faults(next(self.order.batches(self.epoch, self.position)), error)
        finally:
            self.source.start(self.order.batches(self.epoch, self.position), self.epoch)

    def _find_faults(self, batch: np.ndarray, error: Exception) -> None:
        """Set aside what cannot be decoded; raise the error if that explains nothing."""
        if self.source.gives == "images" or is_machine_fault(error) or is_explained(error):
            raise error  # nothing was decoded, or it was no fault of a file
        num_faults = 0
        for index, encoded in (self.source.fetch(i, as_file=True) for i in batch.tolist()):
            # Deep images go to the CPU's decoder everywhere.
            device = CPU if self.source.is_deep[index] else self.device
            reason = find_fault(encoded, self._deep, str(self.manifest.path[index]), device)
            if reason is not None:
                self.quarantine.add(index, reason)
                num_faults += 1
        if num_faults == 0:
            raise error

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be copied, pickled or sent to worker processes: there are threads inside."""
        raise TypeError(
            "GCALoader must stay in the process that made it, got copied or pickled. Make another "
            "with the same arguments and hand over its state_dict()."
        )

    def __getitem__(self, index: object) -> NoReturn:
        """Refuse to be a data set: it makes batches by itself."""
        raise TypeError(
            "GCALoader must be iterated as it is, got taken for a data set. Use it in place of "
            "torch.utils.data.DataLoader: for batch in loader."
        )

    def set_epoch(self, epoch: int) -> None:
        """Make `epoch` the one that starts next; a resumed epoch keeps its position."""
        check_at_least("epoch", epoch, 0)
        if not (self._resumed and epoch == self.epoch):
            self.epoch, self.position = epoch, 0

    def state_dict(self) -> dict[str, Any]:
        """Return the position after the last batch that was handed out, for any rank count."""
        reasons = list(self.quarantine.reasons.items())  # threads may add to them
        return {
            "version": STATE_VERSION,
            "manifest": self.manifest.fingerprint,
            "seed": self.config.seed,
            "shuffle": self.config.shuffle,
            "policy": to_text(self.policy),
            "saliency": self.table.fingerprint if self.policy.reads_saliency else "",
            "epoch": self.epoch,
            "position": self.position,
            "quarantine": {str(i): reason for i, reason in reasons},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken: the rest of the epoch is the same, to the bit on the CPU.

        Raises
        ------
        ValueError
            If the state is of another manifest, seed, order, policy, saliency or version.
        """
        check_state(state, self.state_dict(), self.policy)
        self.epoch, self.position = int(state["epoch"]), int(state["position"])
        self.quarantine.reasons = {int(i): reason for i, reason in state["quarantine"].items()}
        self._resumed = True
