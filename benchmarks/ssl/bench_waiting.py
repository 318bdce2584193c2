"""How long a ResNet-18 step waits for the loader: from a folder of files, or from a store.

    python benchmarks/ssl/bench_waiting.py XRAYS --store STORE
    python benchmarks/ssl/bench_waiting.py XRAYS --store STORE --method dino --size 96

Enters: anything that `Manifest.open` takes. Leaves: rows in benchmarks/results/ssl_waiting.json,
one run each of some steps after 2 that are not counted, the sources in turn. With fewer images than
steps need, epochs begin inside a run, and their first batch is waited for.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from row import RESULTS, make_row, write_rows

from gca_dali.data.manifest import Manifest
from gca_dali.loader import GCALoader
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.ssl.config import PretrainConfig
from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.meter import Meter
from gca_dali.ssl.run import PretrainRun

NUM_WARM_STEPS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="a folder, a CSV, a manifest or a store")
    parser.add_argument("--store", type=Path, help="the same images, prepared")
    parser.add_argument(
        "--method", default="simclr", help="dino has 6 local views of half the size"
    )
    parser.add_argument("--size", type=int, default=224, help="side of a view in pixels")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="counted in each run")
    options = parser.parse_args()

    sources = {"files": options.source}
    if options.store is not None:
        sources["store"] = options.store
    manifests = {name: Manifest.open(source) for name, source in sources.items()}
    shares: dict[str, list[float]] = {name: [] for name in sources}
    rates: dict[str, list[float]] = {name: [] for name in sources}
    for _ in range(options.runs):
        for name, manifest in manifests.items():
            numbers = measure(manifest, options)
            shares[name].append(numbers["waiting_share"])
            rates[name].append(numbers["images_per_second"])
            print(name, {key: round(value, 4) for key, value in numbers.items()}, flush=True)
    groups = make_policy(options).groups
    views = " + ".join(f"{group.num_views} views of {group.size} px" for group in groups)
    workload = (
        f"{options.method}, resnet18, {views}, batch {options.batch_size}, "
        f"{torch.get_num_threads()} threads"
    )
    rows = []
    for name in sources:
        names = ("ssl_waiting", name, workload)
        rows.append(make_row(names, "share of a step spent waiting", "share", shares[name]))
        rows.append(make_row(names, "pre-training", "images/s", rates[name]))
    write_rows(RESULTS / "ssl_waiting.json", rows)


def make_policy(options: argparse.Namespace) -> ViewPolicy:
    """Return two views, and for DINO six local ones."""
    if options.method != "dino":
        return ViewPolicy.gca(size=options.size)
    policy = ViewPolicy.gca_dino(size=options.size)
    local: dict[str, object] = {"groups.1.num_views": 6, "groups.1.size": options.size // 2}
    return policy.replace(**local)


def measure(manifest: Manifest, options: argparse.Namespace) -> dict[str, float]:
    """Train some steps; return waiting_share and images_per_second."""
    policy = make_policy(options)
    loader = GCALoader(manifest, policy, "centre", batch_size=options.batch_size)
    encoder = EncoderConfig.for_policy("resnet18", policy)
    run = PretrainRun(loader, PretrainConfig(options.method, encoder=encoder, num_epochs=1000))
    meter = Meter(run.fabric, run.batch_size)
    num_done = 0
    while True:
        for batch in meter.time_waiting(loader):
            meter.add_step(run.train_on(batch))
            num_done += 1
            if num_done == NUM_WARM_STEPS:
                meter.close_interval()
            if num_done == NUM_WARM_STEPS + options.steps:
                return meter.close_interval()


if __name__ == "__main__":
    main()
