"""Pre-training: a loader and a method in, a checkpoint of the encoder out.

Enters: a loader of `ViewBatch`es (one per process under `torchrun`). Leaves: `last.safetensors`,
with the loader's state for an exact resume, and logs. Next: `probe` says what the features hold.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import distributed as torch_dist

from gca_dali.common.disk import explained_disk
from gca_dali.common.state import read_state, write_state
from gca_dali.ssl.interrupt import InterruptGuard
from gca_dali.ssl.meter import CollapseWatch, Meter
from gca_dali.ssl.run import PretrainRun
from gca_dali.ssl.run_folder import describe_run

if TYPE_CHECKING:
    from torch import nn

    from gca_dali.ssl.config import PretrainConfig, ResumableLoader

CHECKPOINT_NAME = "last.safetensors"
_CHECKPOINT_EVERY_SECONDS = 120.0
_log = logging.getLogger("gca_dali")
_LOG_EVERY_STEPS = 10
_NUM_LOOKS = 10

Watch = Callable[["nn.Module"], dict[str, float]]
OnStep = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class PretrainResult:
    """What a run came to.

    Attributes
    ----------
    checkpoint : Path
        The last checkpoint.
    num_epochs, num_steps : int
        Whole epochs, and steps, done over all starts.
    numbers : dict of float
        Last loss, spread and learning_rate; images_per_second and waiting_share of this start.
    interrupted : bool
        True where Ctrl-C or SIGTERM ended the run early.
    """

    checkpoint: Path
    num_epochs: int
    num_steps: int
    numbers: dict[str, float]
    interrupted: bool


def pretrain(
    loader: ResumableLoader,
    config: PretrainConfig,
    out: str | Path,
    resume: str | Path | None = None,
    on_step: OnStep | None = None,
    watch: Watch | None = None,
) -> PretrainResult:
    """Pre-train an encoder on the loader's views.

    Parameters
    ----------
    loader : ResumableLoader
        This process's share of the batches.
    config : PretrainConfig
        What to train.
    out : str or Path
        Folder for `last.safetensors`, `logs/`, `policy.json` and `run.json`.
    resume : str or Path, optional
        Checkpoint to go on from: same data order, same views.
    on_step : callable, optional
        Called in the first process after every step with steps done, steps in all and the last
        numbers.
    watch : callable, optional
        Called in the first process about ten times a run, after an epoch, with the encoder;
        returns numbers for the logs, as `watch.LabelWatch.look` does.

    Returns
    -------
    PretrainResult
        Checkpoint and last numbers.

    Raises
    ------
    ValueError
        If the checkpoint to resume is of another run.
    RuntimeError
        If the loss is not finite, the disk is full, or another process of the run has died.
    """
    run = PretrainRun(loader, config)
    if resume is not None:
        run.restore(read_state(resume))
    out = Path(out)
    with InterruptGuard() as guard, explained_disk(out, "a checkpoint and logs", _way_on(out)):
        driver = _Driver(run, out, on_step, watch)
        try:
            driver.drive(guard)
        except RuntimeError as error:
            if not _is_lost_process(error):
                raise
            # torchrun terminates the others at once, mostly before they have said a word.
            guard.ignore_termination()
            raise RuntimeError(_describe_lost_process(driver, error)) from error
        finally:
            driver.close()
    return driver.result()


class _Driver:
    """Steps a run to its end or to an interrupt; logs and saves on the way."""

    def __init__(
        self, run: PretrainRun, out: Path, on_step: OnStep | None, watch: Watch | None
    ) -> None:
        self.run, self.checkpoint = run, out / CHECKPOINT_NAME
        self._on_step = on_step if run.fabric.is_global_zero else None
        self._watch_encoder = watch if run.fabric.is_global_zero else None
        self._watch_every = max(1, run.config.num_epochs // _NUM_LOOKS)
        self._meter = Meter(run.fabric, run.batch_size)
        self._watch = CollapseWatch(
            run.config.method, run.num_steps, run.method.spread_name, run.method.collapsed_below
        )
        if run.fabric.is_global_zero:
            describe_run(run, out)
        self._loggers = _open_loggers(out) if run.fabric.is_global_zero else []
        self._numbers: dict[str, float] = {}
        self._saved_seconds = float("-inf")
        self._saved_at: int | None = None
        self._interrupted = False

    def drive(self, guard: InterruptGuard) -> None:
        """Train until the last epoch is done or the guard is asked to stop."""
        run = self.run
        while run.epoch < run.config.num_epochs and not self._interrupted:
            if run.batch == 0:
                run.loader.set_epoch(run.epoch)
            for batch in self._meter.time_waiting(run.loader):
                self._meter.add_step(run.train_on(batch))
                self._after_step(guard)
                if self._interrupted:
                    break
            if run.batch == run.num_batches:
                run.close_epoch()
                self._save_when_due()
            elif not self._interrupted:
                raise RuntimeError(
                    f"loader must yield {run.num_batches} batches an epoch, got {run.batch}. "
                    "Resume with the rank count that the loader was built for."
                )
        if self._saved_at != run.step:
            self._save()

    def close(self) -> None:
        """Flush the logs."""
        for logger in self._loggers:
            logger.finalize("finished")

    def result(self) -> PretrainResult:
        """Return where the run stands."""
        run = self.run
        numbers = self._numbers | self._meter.totals()
        return PretrainResult(self.checkpoint, run.epoch, run.step, numbers, self._interrupted)

    def _after_step(self, guard: InterruptGuard) -> None:
        run = self.run
        at_end = run.batch == run.num_batches
        if at_end or run.step % _LOG_EVERY_STEPS == 0:
            self._log()
        if self._on_step is not None:
            self._on_step(run.step, run.num_steps, self._numbers)
        self._interrupted = self._agree_to_stop(guard.requested)
        # After the last batch the epoch is closed first.
        if not at_end and not self._interrupted:
            self._save_when_due()

    def _log(self) -> None:
        run = self.run
        self._numbers = self._meter.close_interval() | {"learning_rate": run.learning_rate}
        self._numbers |= self._look_at_labels()
        for logger in self._loggers:
            logger.log_metrics(self._numbers | {"epoch": run.epoch}, step=run.step)
        if run.fabric.is_global_zero:
            self._watch.look(run.step, self._numbers[run.method.spread_name])

    def _look_at_labels(self) -> dict[str, float]:
        """Return what the watch finds at the end of every few epochs, and of the run."""
        run = self.run
        num_epochs = run.epoch + 1
        last = num_epochs == run.config.num_epochs
        due = run.batch == run.num_batches and (last or num_epochs % self._watch_every == 0)
        if not due or self._watch_encoder is None:
            return {}
        numbers = self._watch_encoder(run.method.features_encoder)
        self._meter.leave_out()
        return numbers

    def _agree_to_stop(self, requested: bool) -> bool:
        """Let all processes stop after the same step; a GPU is asked seldom, as it must be idle."""
        fabric = self.run.fabric
        if fabric.world_size == 1:
            return requested
        if fabric.device.type == "cuda" and self.run.step % _LOG_EVERY_STEPS:
            return False
        import torch

        flag = torch.tensor(float(requested), device=fabric.device)
        return bool(torch.as_tensor(fabric.all_reduce(flag, reduce_op="max")) > 0)

    def _save_when_due(self) -> None:
        """Save at once, so that a folder that cannot be written is found out, and now and then."""
        if time.monotonic() - self._saved_seconds > _CHECKPOINT_EVERY_SECONDS:
            self._save()

    def _save(self) -> None:
        if not self.run.fabric.is_global_zero:
            return
        if not all(bool(weights.isfinite().all()) for weights in self.run.method.parameters()):
            # The loss may be finite still; the next look at it ends the run.
            _log.warning(
                "weights are not finite after step %d: %s stays as it was saved before",
                self.run.step,
                self.checkpoint,
            )
            return
        write_state(self.checkpoint, self.run.state(), _way_on(self.checkpoint.parent))
        self._saved_seconds = time.monotonic()
        self._saved_at = self.run.step


def _way_on(out: Path) -> str:
    return f"the same command with --resume goes on, without it where {out} has no checkpoint yet"


def _open_loggers(out: Path) -> list[Any]:
    """Open CSV and TensorBoard logs in `out`/logs/version_N, a new N at every start."""
    from lightning.fabric.loggers.csv_logs import CSVLogger
    from lightning.fabric.loggers.tensorboard import TensorBoardLogger

    table = CSVLogger(out, name="logs", flush_logs_every_n_steps=1)
    return [table, TensorBoardLogger(out, name="logs", version=table.version)]


def _is_lost_process(error: RuntimeError) -> bool:
    if not (torch_dist.is_available() and torch_dist.is_initialized()):
        return False
    return isinstance(error, torch_dist.DistError) or "gloo" in str(error).lower()


def _describe_lost_process(driver: _Driver, error: RuntimeError) -> str:
    first_line = str(error).strip().splitlines()[0]
    return (
        f"all {driver.run.fabric.world_size} processes must stay alive, got a lost one at step "
        f"{driver.run.step} ({first_line}). Start again with --resume: {driver.checkpoint} goes on "
        "from the last save."
    )
