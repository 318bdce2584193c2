"""Time the providers of one kernel on the same workloads, in turn.

Enters: workloads and providers. Leaves: rows. Runs of all providers are interleaved, because other
work on the machine slows all of them alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.row import RESULTS, Row, describe_cpu, make_row, write_rows

# A run repeats a call until it takes this long: far above the clock's resolution.
LEAST_RUN_SECONDS = 0.02


@dataclass(frozen=True)
class Workload:
    """What is computed by one call of each provider.

    Attributes
    ----------
    name : str
    num_items : int
        Images or maps per call: times are reported per item.
    item : str
    inputs : object
        What the providers' `prepare` reads.
    """

    name: str
    num_items: int
    item: str
    inputs: Any


@dataclass(frozen=True)
class Provider:
    """One implementation.

    Attributes
    ----------
    name : str
    prepare : callable
        Takes a workload's inputs; returns a function of no argument that computes it once, and
        waits for the device. None where the provider does not do this workload.
    device : str or None
        What computes; None means the CPU.
    """

    name: str
    prepare: Callable[[Any], Callable[[], object] | None]
    device: str | None = None


def measure(
    benchmark: str, workloads: Sequence[Workload], providers: Sequence[Provider], num_runs: int
) -> list[Row]:
    """Return the time per item of each provider on each workload, and the ratios to the first.

    A ratio is taken within a run and is how many times longer a provider takes.
    """
    rows = []
    for workload in workloads:
        calls = {
            provider: call
            for provider in providers
            if (call := provider.prepare(workload.inputs)) is not None
        }
        seconds = time_in_turn(list(calls.values()), num_runs)
        for provider, times in zip(calls, seconds, strict=True):
            names, device = (benchmark, provider.name, workload.name), provider.device
            per_item = 1e6 * times / workload.num_items
            metric = f"time per {workload.item}"
            rows.append(make_row(names, metric, "us", per_item.tolist(), device))
            if provider.name != (first := next(iter(calls))).name:
                ratios = (times / seconds[0]).tolist()
                rows.append(make_row(names, f"time over {first.name}", "", ratios, device))
    return rows


def time_in_turn(calls: Sequence[Callable[[], object]], num_runs: int) -> np.ndarray:
    """Return the seconds per call of each function in each run, float64, [calls, runs]."""
    repeats = []
    for call in calls:
        call()  # compiles, and fills caches
        once = time_call(call, 1)
        repeats.append(max(round(LEAST_RUN_SECONDS / once), 1))
    seconds = np.empty((len(calls), num_runs))
    for run in range(num_runs):
        for number, call in enumerate(calls):
            seconds[number, run] = time_call(call, repeats[number])
    return seconds


def time_call(call: Callable[[], object], repeats: int) -> float:
    """Return the mean seconds of a call."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def run_command_line(
    benchmark: str, workloads: Sequence[Workload], providers: Sequence[Provider]
) -> None:
    """Measure, print a line per row and write them into the result file."""
    parser = argparse.ArgumentParser(description=f"Benchmark of {benchmark}.")
    parser.add_argument("--runs", type=int, default=31)
    parser.add_argument("--out", type=Path, default=RESULTS / "ops_cpu.json")
    arguments = parser.parse_args()
    print(describe_cpu())
    rows = measure(benchmark, workloads, providers, arguments.runs)
    for row in rows:
        spread = f"{row.p50:10.2f} {row.unit:2s} ({row.p20:.2f} to {row.p80:.2f})"
        print(f"{row.workload:45s} {row.provider:14s} {row.metric:22s} {spread}")
    write_rows(arguments.out, rows)
