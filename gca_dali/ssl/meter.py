"""What a run reports: loss, spread of the features, images per second, share of time waiting.

Enters: the outcome of each step, as tensors that stay on the device. Leaves: numbers at every
interval, and a warning with advice where the features collapse. Next: logs and progress bar.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Item = TypeVar("Item")
_log = logging.getLogger("gca_dali")


class Meter:
    """Adds up steps and turns them into numbers at every interval.

    Parameters
    ----------
    fabric : lightning.fabric.Fabric
        Averages over the processes.
    batch_size : int
        Images per step over all processes.
    """

    def __init__(self, fabric: Fabric, batch_size: int) -> None:
        self._fabric = fabric
        self._batch_size = batch_size
        self._total_seconds = self._total_waiting_seconds = 0.0
        self._num_steps = 0
        self._start_interval()

    def time_waiting(self, batches: Iterable[Item]) -> Iterator[Item]:
        """Hand on the batches and add up the time that each was waited for."""
        iterator = iter(batches)
        while True:
            start_seconds = time.perf_counter()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            self._waiting_seconds += time.perf_counter() - start_seconds
            yield batch

    def add_step(self, outcome: dict[str, torch.Tensor]) -> None:
        """Take the outcome of a step, without waiting for the device."""
        self._names = list(outcome)
        self._outcomes.append(torch.stack([value.detach() for value in outcome.values()]))

    def close_interval(self) -> dict[str, float]:
        """Return the means since the last call; every process must call it at the same step.

        Returns
        -------
        dict of float
            The outcomes by name, images_per_second, waiting_share (of the time of this process).

        Raises
        ------
        RuntimeError
            If the loss is not finite.
        """
        num_steps = len(self._outcomes)
        mean = torch.stack(self._outcomes).mean(0)
        means = torch.as_tensor(self._fabric.all_reduce(mean, reduce_op="mean")).tolist()
        numbers: dict[str, float] = dict(zip(self._names, means, strict=True))
        if not math.isfinite(numbers["loss"]):
            raise RuntimeError(
                f"the loss must be finite, got {numbers['loss']}. Lower the learning rate (a "
                "larger --batch-size raises it), or use --precision float32."
            )
        seconds = time.perf_counter() - self._start_seconds
        numbers |= {
            "images_per_second": num_steps * self._batch_size / seconds,
            "waiting_share": self._waiting_seconds / seconds,
        }
        self._total_seconds += seconds
        self._total_waiting_seconds += self._waiting_seconds
        self._num_steps += num_steps
        self._start_interval()
        return numbers

    def leave_out(self) -> None:
        """Begin a new interval, without the time since the last one ended."""
        self._start_interval()

    def totals(self) -> dict[str, float]:
        """Return images_per_second and waiting_share since the start."""
        seconds = max(self._total_seconds, 1e-9)
        return {
            "images_per_second": self._num_steps * self._batch_size / seconds,
            "waiting_share": self._total_waiting_seconds / seconds,
        }

    def _start_interval(self) -> None:
        self._outcomes: list[torch.Tensor] = []
        self._waiting_seconds = 0.0
        self._start_seconds = time.perf_counter()


class CollapseWatch:
    """Warns once when the features stay collapsed after the first tenth of the run.

    Parameters
    ----------
    method : str
        Name for the advice.
    num_steps : int
        Steps of the run.
    spread_name : str
        Of the number that is watched.
    collapsed_below : float
        A lower one is a collapse.
    """

    def __init__(
        self, method: str, num_steps: int, spread_name: str, collapsed_below: float
    ) -> None:
        self._method, self._spread_name = method, spread_name
        self._collapsed_below = collapsed_below
        self._first_step = num_steps // 10
        self._num_low = 0

    def look(self, step: int, spread: float) -> None:
        """Note the spread at a step; two low ones in a row are a collapse."""
        low = step >= self._first_step and spread < self._collapsed_below
        self._num_low = self._num_low + 1 if low else 0
        if self._num_low == 2:
            remedy = {
                "simclr": "Use larger batches or stronger views (check them with preview).",
                "moco": "Use a higher momentum (preset published) or a lower learning rate.",
                "byol": "Use a lower learning rate or larger batches, or try simclr.",
                "vicreg": "Use larger batches or a lower learning rate.",
                "dino": "Use larger batches or another learning rate, or try simclr.",
            }[self._method]
            _log.warning(
                "%s must stay above %g, got %.3g at step %d: the features have collapsed "
                "to one point. %s",
                self._spread_name,
                self._collapsed_below,
                spread,
                step,
                remedy,
            )
