"""Pairs per second of a resident set: 512 × 512 uint8 to 2 × 224 × 224 float16, policy gca.

`python -m benchmarks.device.resident OUT.json WORK`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.device.images import open_images
from benchmarks.device.timing import gpu_row
from benchmarks.row import write_rows
from gca_dali.loader import GCALoader
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.report.workload import Workload

SIDE, BATCHES = 512, (64, 256, 1024)
ROUNDS, SECONDS = 7, 1.0


def measure_pairs(loader: GCALoader) -> list[float]:
    """Return pairs per second in each round; the GPU has finished at the end of each.

    An epoch before the first round decodes the set and compiles the kernels.
    """
    import torch

    def run(seconds: float) -> float:
        torch.cuda.synchronize()
        start, num_pairs = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            for batch in loader:
                num_pairs += len(batch)
        torch.cuda.synchronize()
        return num_pairs / (time.perf_counter() - start)

    for _ in loader:
        pass
    return [run(SECONDS) for _ in range(ROUNDS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("work", type=Path)
    given = parser.parse_args()
    rows_of_one_size = Workload(open_images(None, given.work, SIDE), batch_size=64).repeated()
    policy = ViewPolicy.gca(dtype="float16")
    for batch_size in BATCHES:
        loader = GCALoader(
            rows_of_one_size,
            policy,
            saliency="centre",
            batch_size=batch_size,
            device="cuda",
            resident=True,
        )
        names = (
            "resident",
            "gca",
            f"{len(rows_of_one_size)} × {SIDE} × {SIDE} uint8 to 2 × 224 × 224 float16, "
            f"batch {batch_size}",
        )
        write_rows(given.out, [gpu_row(names, "pairs per second", "1/s", measure_pairs(loader))])
        del loader


if __name__ == "__main__":
    main()
