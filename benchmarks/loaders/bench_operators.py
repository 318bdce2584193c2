"""Operators in a user's pipeline beside the loader, into `benchmarks/results/operators_cpu.json`.

`python benchmarks/loaders/bench_operators.py MANIFEST` measures images per second of both and of
DALI's own views in interleaved rounds, then the processor time of each step of the operators on one
thread: `hand_over` is what DALI's Python operator takes beyond decoding and the named steps.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from gca_dali.data.manifest import Manifest
from gca_dali.operators import kernels, maps, views
from gca_dali.report.bench import measure, take
from gca_dali.report.rivals import RIVALS, decode_only
from gca_dali.report.workload import Workload

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from row import RESULTS, describe_cpu

NAMES = ("gca", "gca_fn", "dali")
NUM_BATCHES = 12
STEPS = {
    "keys": (maps.MakeKeys, "__call__"),
    "saliency": (maps.TakeMaps, "__call__"),
    "stack": (kernels.CpuKernels, "stack"),
    "windows": (kernels.CpuKernels, "plan"),
    "views": (kernels.CpuKernels, "render"),
    "gaze_views": (views.GazeViews, "__call__"),
}


def open_work(path: str, num_threads: int) -> Workload:
    manifest = Manifest.open(path)
    jpeg = manifest.take(np.flatnonzero(manifest.format == "jpeg"))
    return Workload(jpeg, num_threads=num_threads)


def profile(work: Workload, rounds: int) -> dict[str, float]:
    """Return milliseconds of processor time per image."""
    spent: defaultdict[str, float] = defaultdict(float)

    def timed(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            start = time.thread_time()
            result = step(*args)
            spent[name] += time.thread_time() - start
            return result

        return call

    for name, (owner, attribute) in STEPS.items():
        setattr(owner, attribute, timed(name, getattr(owner, attribute)))
    loaders = {"decode_only": decode_only(work)}
    loaders |= {name: RIVALS[name](work) for name in ("gca", "gca_fn")}
    rounds_ms: defaultdict[str, list[float]] = defaultdict(list)
    for loader in loaders.values():
        take(loader, 5, 0.0)
    for _ in range(rounds):
        for name, loader in loaders.items():
            take(loader, 3, 0.0)
            time.sleep(1.0)  # queues are full before and after
            spent.clear()
            start = time.process_time()
            num = sum(next(loader) for _ in range(NUM_BATCHES))
            time.sleep(1.0)
            rounds_ms[name].append(1e3 * (time.process_time() - start) / num)
            if name == "gca_fn":
                for step in STEPS:
                    rounds_ms[step].append(1e3 * spent[step] / num)
    found = {name: median(values) for name, values in rounds_ms.items()}
    inner = found["stack"] + found["windows"] + found["views"]
    found["lists_and_checks"] = found["gaze_views"] - inner
    named = sum(found[name] for name in ("decode_only", "keys", "saliency", "gaze_views"))
    return found | {"hand_over": found["gca_fn"] - named}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3.0)
    args = parser.parse_args()
    work = open_work(args.manifest, 2)
    decoding, loaders = measure(work, NAMES, num_rounds=args.rounds, seconds=args.seconds)
    result = {
        "machine": describe_cpu(),
        "workload": str(work),
        "rates": {one.name: list(one.rates) for one in (decoding, *loaders)},
        "ratio_to_decode_only": {one.name: median(one.ratios(decoding)) for one in loaders},
        "gca_fn_over_gca": median(loaders[1].ratios(loaders[0])),
        "profile_ms": profile(open_work(args.manifest, 1), args.rounds),
    }
    (RESULTS / "operators_cpu.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
