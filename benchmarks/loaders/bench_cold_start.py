"""The first batch from an empty kernel cache, beside the same from a full one.

    python -m benchmarks.loaders.bench_cold_start --rounds 5 [--against CHECKOUT]

Enters: nothing; sixteen phantoms are made. Leaves: benchmarks/results/cold_start_cpu.json: seconds
from the start of a process until the first batch of `GCALoader` is there, cold and warm in turns,
and those of another checkout (an older commit, say) in the same rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.row import REPOSITORY, RESULTS, describe_commit, describe_cpu, describe_versions

FIRST_BATCH = """
import sys, time
start = time.perf_counter()
import gca_dali
manifest = gca_dali.Manifest.from_folder(sys.argv[1])
loader = gca_dali.GCALoader(manifest, gca_dali.ViewPolicy.gca(), "centre", batch_size=16)
next(iter(loader))
print(time.perf_counter() - start)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--out", type=Path, default=RESULTS / "cold_start_cpu.json")
    options = parser.parse_args()
    trees = {"now": REPOSITORY} | ({"against": options.against} if options.against else {})
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        images = make_images(Path(name) / "phantoms")
        for number in range(options.rounds):
            for tree, place in trees.items():
                cache = Path(name) / f"{tree}-{number}"
                for kind in ("cold", "warm"):
                    seconds.setdefault(f"{tree} {kind}", []).append(run(place, images, cache))
    report = {
        "benchmark": "cold_start_cpu",
        "unit": "seconds from the process's first line to the first batch",
        "rounds": options.rounds,
        "first_batch": {name: describe(values) for name, values in seconds.items()},
        "device": f"{describe_cpu()}, {os.cpu_count()} cores",
        "versions": describe_versions(),
        "commit": describe_commit(),
    }
    text = json.dumps(report, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


def make_images(folder: Path) -> Path:
    """Write sixteen phantoms; return the folder of their images."""
    from gca_dali.phantoms import write_phantoms

    return write_phantoms(folder, 16) / "images"


def run(tree: Path, images: Path, cache: Path) -> float:
    """Return the seconds of a process that keeps its kernels in `cache`."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", FIRST_BATCH, str(images)],
        cwd=tree,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join([str(tree), str(tree / "kernels")]),
            "NUMBA_CACHE_DIR": str(cache),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def describe(values: list[float]) -> dict[str, object]:
    """Return the median, the extremes and all values."""
    middle, least, most = np.median(values), min(values), max(values)
    shown = [round(value, 2) for value in values]
    return {
        "median": round(float(middle), 2),
        "least": round(least, 2),
        "most": round(most, 2),
        "all": shown,
    }


if __name__ == "__main__":
    main()
