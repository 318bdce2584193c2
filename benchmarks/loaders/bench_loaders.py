"""Throughput and memory of the loader, into `benchmarks/results/loaders_cpu.json`.

`python benchmarks/loaders/bench_loaders.py MANIFEST` measures what `gca-dali bench` does for
V = 2, 4 and 8 views, the share of time that sampling windows takes, and the peak memory over many
batches of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

RESULTS = Path(__file__).resolve().parents[1] / "results"


@dataclass(frozen=True)
class Memory:
    """Resident memory of a process that takes batches, in MiB."""

    num_batches: int
    after_tenth_mib: float
    after_all_mib: float
    peak_mib: float


def measure_rates(manifest_path: str, num_views: int, rounds: int, seconds: float) -> dict:
    from gca_dali.bench import Workload, measure
    from gca_dali.manifest import Manifest

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


def sampling_share(manifest_path: str) -> dict[str, float]:
    """Return the seconds per image of `plan_views` and of the whole loader, on one thread."""
    from gca_dali.bench import Workload, take
    from gca_dali.manifest import Manifest
    from gca_dali.policy import ViewPolicy
    from gca_dali.rivals import gca
    from gca_dali.saliency import load_saliency
    from gca_dali.windows import plan_views

    manifest = Manifest.open(manifest_path)
    manifest = manifest.take(np.flatnonzero(manifest.format == "jpeg"))
    maps = load_saliency("centre", manifest).take(np.arange(len(manifest)))
    shapes = np.stack([manifest.height, manifest.width], axis=1)
    index = np.arange(len(manifest))
    policy = ViewPolicy.gca()
    plan_views(maps, index, shapes, (0, 0), policy, 2)
    times = []
    for epoch in range(50):
        start = time.thread_time()
        plan_views(maps, index, shapes, (0, epoch), policy, 2)
        times.append((time.thread_time() - start) / len(manifest))
    loader = gca(Workload(manifest))
    take(loader, 5, 0.0)
    start, images = time.process_time(), 0
    for _ in range(20):
        images += next(loader)
    whole = (time.process_time() - start) / images
    return {"plan_seconds": median(times), "loader_seconds": whole, "share": median(times) / whole}


def use_memory(manifest_path: str, num_batches: int) -> Memory:
    """Take batches of 32 and watch this process's memory."""
    import resource

    from gca_dali.bench import Workload
    from gca_dali.manifest import Manifest
    from gca_dali.rivals import gca

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--batches", type=int, default=1000, help="for the memory measurement")
    parser.add_argument("--memory-only", action="store_true", help="print it and write no file")
    args = parser.parse_args()
    if args.memory_only:
        print(json.dumps(asdict(use_memory(args.manifest, args.batches))))
        return
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}"
    }
    for num_views in (2, 4, 8):
        result[f"views_{num_views}"] = measure_rates(
            args.manifest, num_views, args.rounds, args.seconds
        )
    result["sample_windows"] = sampling_share(args.manifest)
    command = [sys.executable, __file__, args.manifest, "--memory-only"]
    command += ["--batches", str(args.batches)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result["memory"] = json.loads(printed.splitlines()[-1])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "loaders_cpu.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "machine"}, indent=1))


if __name__ == "__main__":
    main()
