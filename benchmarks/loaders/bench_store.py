"""The loader from prepared stores against loaders of the originals, into `store_cpu.json`.

`python -m benchmarks.loaders.bench_store DATA` takes the chest JPEGs of DATA/chest and the same as
PNG16, prepares 512-px stores of each encoding, and times all loaders in interleaved rounds of one
run on two threads: this loader from each store and from both originals, torchvision's DataLoader
on the original JPEGs.

A sample's checksum is compared when it is first read: each store's first epoch comes before the
rounds, with a rate of its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.loaders.store_cases import (
    count_bytes,
    make_store,
    take_jpegs,
    write_deep_pngs,
)
from benchmarks.row import describe_commit, describe_cpu, describe_versions
from gca_dali.report.bench import NUM_PREFETCHED, Throughput, take
from gca_dali.report.rivals import gca, torchvision
from gca_dali.report.workload import Workload
from gca_dali.store.encoding import BITS

RESULT = Path(__file__).resolve().parents[1] / "results" / "store_cpu.json"
SHORTER_SIDE = 512


def measure_first_epoch(loaders: dict[str, tuple[Workload, Iterator[int]]]) -> dict[str, float]:
    """Return images per second of each store's first epoch, the kernels being compiled."""
    rates = {}
    for name, (_, iterator) in loaders.items():
        if not name.startswith("gca_store"):
            take(iterator, 1, 0.0)  # compiles, for 8 and for 16 bits
    for name, (work, iterator) in loaders.items():
        if name.startswith("gca_store"):
            rates[name] = take(iterator, len(work.repeated()) // work.batch_size, 0.0)
            print(f"first epoch: {name} {rates[name]:.0f} images/s", flush=True)
    return rates


def measure(
    loaders: dict[str, tuple[Workload, Iterator[int]]], num_rounds: int, seconds: float
) -> dict[str, Throughput]:
    """Time loaders in turn, round after round."""
    rates: dict[str, list[float]] = {name: [] for name in loaders}
    for _, iterator in loaders.values():
        take(iterator, NUM_PREFETCHED, 0.0)
    for number in range(num_rounds):
        for name, (work, iterator) in loaders.items():
            take(iterator, NUM_PREFETCHED, 0.0)
            rates[name].append(take(iterator, 1, seconds))
            # Let it fill its queue again now, and not in the turn of the next.
            time.sleep(min(NUM_PREFETCHED * work.batch_size / rates[name][-1], 5.0))
            print(f"round {number + 1}: {name} {rates[name][-1]:.0f} images/s", flush=True)
    return {name: Throughput(name, tuple(values)) for name, values in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with chest/")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        result = run(args.data, Path(scratch), args.rounds, args.seconds)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in ("ratios", "megabytes")}, indent=1))


def run(data: Path, scratch: Path, num_rounds: int, seconds: float) -> dict[str, Any]:
    """Prepare, time and compare."""
    jpegs, pngs = take_jpegs(data), write_deep_pngs(data, scratch / "originals")
    loaders: dict[str, tuple[Workload, Iterator[int]]] = {}

    def add(name: str, manifest: Any, rival: Any = gca) -> None:
        work = Workload(manifest)
        loaders[name] = (work, rival(work))

    sizes = {"jpeg_originals": int(jpegs.num_bytes.sum()), "png16_originals": 0}
    sizes["png16_originals"] = int(pngs.num_bytes.sum())
    add("torchvision_jpeg_originals", jpegs, torchvision)
    add("gca_jpeg_originals", jpegs)
    add("gca_png16_originals", pngs)
    for encoding in BITS:
        # A JPEG store holds the JPEGs; what is compared with PNG16 originals is made of them.
        originals = jpegs if encoding == "jpeg" else pngs
        folder = scratch / encoding
        add(f"gca_store_{encoding}", make_store(originals, folder, encoding, SHORTER_SIDE))
        sizes[f"store_{encoding}"] = count_bytes(folder)
    workload = str(loaders["gca_jpeg_originals"][0])
    first_epoch = measure_first_epoch(loaders)
    rates = measure(loaders, num_rounds, seconds)
    rivals = ("torchvision_jpeg_originals", "gca_jpeg_originals", "gca_png16_originals")
    ratios = {
        f"{name} over {rival}": median(rates[name].ratios(rates[rival]))
        for name in rates
        if name.startswith("gca_store")
        for rival in rivals
    }
    return {
        "machine": describe_cpu(),
        "versions": describe_versions(),
        "commit": describe_commit(),
        "workload": f"{workload}; stores of {SHORTER_SIDE} px",
        "images_per_second": {name: list(one.rates) for name, one in rates.items()},
        "median_images_per_second": {name: one.images_per_second for name, one in rates.items()},
        "first_epoch_images_per_second": first_epoch,
        "ratios": ratios,
        "megabytes": {name: size / 1e6 for name, size in sizes.items()},
    }


if __name__ == "__main__":
    main()
