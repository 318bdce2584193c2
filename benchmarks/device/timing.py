"""Time work on the GPU: without the host's time, and with it.

Enters: functions that queue work on torch's current stream. Leaves: seconds per call and run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache

from benchmarks.row import Row, make_row

NUM_RUNS = 15
# A launch takes the host 10 to 20 microseconds: so long the GPU sleeps before the first of them.
SLEEP_CYCLES = 20_000_000


def time_on_gpu(call: Callable[[], object], repeats: int = 20) -> list[float]:
    """Return the GPU's seconds per call in each run; the host queues ahead of it."""
    import torch

    call()
    seconds = []
    for _ in range(NUM_RUNS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(SLEEP_CYCLES)
        start.record()
        for _ in range(repeats):
            call()
        end.record()
        end.synchronize()
        seconds.append(start.elapsed_time(end) * 1e-3 / repeats)
    return seconds


def time_with_host(call: Callable[[], object], repeats: int) -> list[float]:
    """Return the seconds per call in each run, from the first call to the end of the last."""
    import torch

    seconds = []
    for _ in range(NUM_RUNS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        torch.cuda.synchronize()
        seconds.append((time.perf_counter() - start) / repeats)
    return seconds


@lru_cache(maxsize=1)
def gpu_name() -> str:
    """Return the name of torch's current GPU."""
    import torch

    return torch.cuda.get_device_name()


def gpu_row(names: tuple[str, str, str], metric: str, unit: str, values: Sequence[float]) -> Row:
    """Return the row of a measurement on the GPU; `names` are benchmark, provider and workload."""
    return make_row(names, metric, unit, values, gpu_name())
