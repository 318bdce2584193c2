"""Throughput of the loader and its rivals, measured side by side in one run.

Enters: a manifest. Leaves: images per second of each, and the ratio to decoding alone. Runs are
interleaved and repeated, because other work on the machine slows all of them alike: the ratio is
taken within a round, its median over the rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from gca_dali.common.checks import check_choice
from gca_dali.report.workload import Workload
from gca_dali.steps.device import CPU

# Batches that every loader may have ready when its turn comes: they are not timed.
NUM_PREFETCHED = 5


@dataclass(frozen=True)
class Throughput:
    """Images per second of one loader in each round."""

    name: str
    rates: tuple[float, ...]

    @property
    def images_per_second(self) -> float:
        """The median."""
        return median(self.rates)

    def ratios(self, other: Throughput) -> list[float]:
        """Return the ratio to another loader in each round."""
        return [mine / theirs for mine, theirs in zip(self.rates, other.rates, strict=True)]


def measure(
    work: Workload,
    names: Sequence[str],
    *,
    num_rounds: int = 7,
    seconds: float = 3.0,
    report: Callable[[], None] = lambda: None,
) -> tuple[Throughput, list[Throughput]]:
    """Measure decoding alone and the named loaders.

    Parameters
    ----------
    work : Workload
    names : sequence of str
        Of "gca", "gca_fn", "dali", "torchvision".
    num_rounds : int
    seconds : float
        Time per loader and round, about.
    report : callable
        Called after each measurement, for a progress bar.

    Returns
    -------
    tuple of Throughput and list of Throughput
        Decoding alone, and the loaders in the order of `names`.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    from gca_dali.report.rivals import RIVALS, decode_only

    for name in names:
        check_choice("loaders", name, tuple(RIVALS))
    loaders: dict[str, Iterator[int]] = {"decode_only": decode_only(work)}
    loaders |= {name: RIVALS[name](work) for name in names}
    rates: dict[str, list[float]] = {name: [] for name in loaders}
    finish = finisher(work.device)
    for iterator in loaders.values():
        take(iterator, NUM_PREFETCHED, 0.0)
    for _ in range(num_rounds):
        for name, iterator in loaders.items():
            take(iterator, NUM_PREFETCHED, 0.0)
            rates[name].append(take(iterator, 1, seconds, finish))
            # Let it fill its queue again now, and not in the turn of the next.
            time.sleep(NUM_PREFETCHED * work.batch_size / rates[name][-1])
            report()
    first, *others = (Throughput(name, tuple(values)) for name, values in rates.items())
    return first, others


def finisher(device: str) -> Callable[[], None]:
    """Return what waits until a device has done what it was given; the CPU has at once."""
    if device == CPU:
        return lambda: None
    import torch

    return lambda: torch.cuda.synchronize(device)


def take(
    iterator: Iterator[int], least: int, seconds: float, finish: Callable[[], None] = lambda: None
) -> float:
    """Take at least `least` batches, for at least `seconds`; return images per second.

    `finish` waits for what the batches still need of the device, before and at the end.
    """
    finish()
    start, num_images, num_batches = time.perf_counter(), 0, 0
    while num_batches < least or time.perf_counter() - start < seconds:
        num_images += next(iterator)
        num_batches += 1
    finish()
    return num_images / (time.perf_counter() - start)
