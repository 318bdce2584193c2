"""Throughput and memory of the loader, into `benchmarks/results/loaders_cpu.json`.

`python benchmarks/loaders/bench_loaders.py MANIFEST` measures what `gca-dali bench` does for
V = 2, 4 and 8 views, the processor time of each step, and the peak memory over many batches; the
latter two in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from row import RESULTS, describe_cpu

NUM_TURNS = 3  # of the profile, in a round


@dataclass(frozen=True)
class Memory:
    """Resident memory of a process that takes batches, in MiB."""

    num_batches: int
    after_tenth_mib: float
    after_all_mib: float
    peak_mib: float


def measure_rates(manifest_path: str, num_views: int, rounds: int, seconds: float) -> dict:
    from gca_dali.data.manifest import Manifest
    from gca_dali.report.bench import measure
    from gca_dali.report.workload import Workload

    manifest = Manifest.open(manifest_path)
    jpeg = manifest.take(np.flatnonzero(manifest.format == "jpeg"))
    work = Workload(jpeg, num_views=num_views)
    names = ("gca", "dali", "torchvision") if num_views == 2 else ("gca",)
    decode_only, others = measure(work, names, num_rounds=rounds, seconds=seconds)
    rates = {one.name: list(one.rates) for one in (decode_only, *others)}
    return {
        "workload": str(work),
        "rates": rates,
        "ratio_to_decode_only": {one.name: median(one.ratios(decode_only)) for one in others},
        "gca_over": {
            one.name: median(others[0].ratios(one)) for one in others if one.name != "gca"
        },
    }


def profile(manifest_path: str, rounds: int) -> dict[str, float]:
    """Return milliseconds of processor time per image of each step of the loader, on one thread.

    `decode_only` is DALI's pipeline without ours, measured in turn with the loader; `rest` is what
    the loader takes beyond decoding and the named steps: handing over, reading, delivery.
    """
    from gca_dali import pipeline
    from gca_dali.data.manifest import Manifest
    from gca_dali.gaze.table import SaliencyTable
    from gca_dali.report.bench import take
    from gca_dali.report.rivals import decode_only, gca
    from gca_dali.report.workload import Workload

    manifest = Manifest.open(manifest_path)
    work = Workload(manifest.take(np.flatnonzero(manifest.format == "jpeg")), num_threads=1)
    spent: dict[str, float] = {}

    def timed(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            start = time.thread_time()
            result = step(*args)
            spent[name] = spent.get(name, 0.0) + time.thread_time() - start
            return result

        return call

    places = {
        "take_maps": (SaliencyTable, "take"),
        "plan_views": (pipeline, "plan_views"),
        "value_ranges": (pipeline, "value_ranges"),
        "make_views": (pipeline, "make_views"),
    }
    for name, (owner, attribute) in places.items():
        setattr(owner, attribute, timed(name, getattr(owner, attribute)))
    loaders = {"decode_only": decode_only(work), "loader": gca(work)}
    for loader in loaders.values():
        take(loader, 5, 0.0)
    # Short turns and sums: the machine is not as fast in one minute as in the next, and images
    # differ in size.
    images = dict.fromkeys(loaders, 0)
    totals: defaultdict[str, float] = defaultdict(float)
    for _ in range(rounds * NUM_TURNS):
        for name, loader in loaders.items():
            take(loader, 3, 0.0)
            time.sleep(1.0)  # all queues are full before and after, so what is timed is 12 batches
            spent.clear()
            start = time.process_time()
            images[name] += sum(next(loader) for _ in range(12))
            time.sleep(1.0)
            totals[name] += time.process_time() - start
            for step, seconds in spent.items():
                totals[step] += seconds
    steps = {step: 1e3 * totals[step] / images["loader"] for step in (*places, "loader")}
    steps["decode_only"] = 1e3 * totals["decode_only"] / images["decode_only"]
    steps["rest"] = steps["loader"] - steps["decode_only"] - sum(steps[name] for name in places)
    return steps


def use_memory(manifest_path: str, num_batches: int) -> Memory:
    """Take batches of 32 and watch this process's memory."""
    import resource

    from gca_dali.data.manifest import Manifest
    from gca_dali.report.rivals import gca
    from gca_dali.report.workload import Workload

    def resident_mib() -> float:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20

    manifest = Manifest.open(manifest_path)
    large = manifest.take(np.flatnonzero(manifest.height * manifest.width >= 1_000_000))
    loader = gca(Workload(large))
    early = 0.0
    for number in range(num_batches):
        next(loader)
        if number == num_batches // 10:
            early = resident_mib()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Memory(num_batches, early, resident_mib(), peak)


def run_alone(args: argparse.Namespace, flag: str) -> dict[str, Any]:
    """Return what this script prints with the flag, in a process of its own."""
    command = [sys.executable, __file__, args.manifest, flag]
    command += ["--rounds", str(args.rounds), "--batches", str(args.batches)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(printed.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--batches", type=int, default=1000, help="for the memory measurement")
    parser.add_argument("--memory-only", action="store_true", help="print it and write no file")
    parser.add_argument("--profile-only", action="store_true", help="print it and write no file")
    args = parser.parse_args()
    if args.memory_only:
        print(json.dumps(asdict(use_memory(args.manifest, args.batches))))
        return
    if args.profile_only:
        print(json.dumps(profile(args.manifest, args.rounds)))
        return
    result: dict[str, Any] = {"machine": describe_cpu()}
    for num_views in (2, 4, 8):
        result[f"views_{num_views}"] = measure_rates(
            args.manifest, num_views, args.rounds, args.seconds
        )
    result["profile_ms"] = run_alone(args, "--profile-only")
    result["memory"] = run_alone(args, "--memory-only")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "loaders_cpu.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "machine"}, indent=1))


if __name__ == "__main__":
    main()
