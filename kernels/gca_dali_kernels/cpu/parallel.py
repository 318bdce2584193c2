"""Threads for the Numba kernels: one pool for the process, work split over samples.

Numba's own parallel loops are not used: its default threading layer aborts when two threads enter
it at once, and DALI calls from threads of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache


def num_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@lru_cache(maxsize=8)
def thread_pool(num_threads: int, process: int) -> ThreadPoolExecutor:
    """Return the pool of this many threads; `process` keeps a fork from using its parent's."""
    return ThreadPoolExecutor(num_threads, thread_name_prefix=f"gca_dali-{process}")


def run_parallel(work: Callable[[int, int], None], num_items: int, num_threads: int) -> None:
    """Call `work(first, last)` on parts of range(num_items) in threads, and wait.

    Parameters
    ----------
    work : callable
        Must release the GIL and write only what belongs to its items.
    num_items : int
    num_threads : int
        0 means one per core. The result does not depend on it.
    """
    num_threads = num_threads or num_cores()
    if num_threads == 1 or num_items == 1:
        work(0, num_items)
        return
    pool = thread_pool(num_threads, os.getpid())
    # Images differ in size: small parts, taken as threads come free, keep all of them busy. One
    # future per thread and not per part: a future takes 20 µs, as long as thirty windows.
    step = max(num_items // (num_threads * 8), 1)
    starts = iter(range(0, num_items, step))  # its `next` is one step under the GIL

    def work_on_parts() -> None:
        for first in starts:
            work(first, min(first + step, num_items))

    for future in [pool.submit(work_on_parts) for _ in range(num_threads)]:
        future.result()
