"""The loader and its operators on the GPU against mixed decoding, DALI's views and torchvision's.

`python -m benchmarks.device.loaders OUT.json WORK [--images FOLDER]`. All are measured in turn, in
one run, for 2 views; the loader alone for 8.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.device.images import open_images
from benchmarks.device.timing import gpu_row
from benchmarks.row import write_rows
from gca_dali.report.bench import measure
from gca_dali.report.workload import Workload
from gca_dali_kernels.cpu.parallel import num_cores

BATCH, ROUNDS, SECONDS = 128, 4, 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--images", type=Path)
    given = parser.parse_args()
    manifest = open_images(given.images, given.work)
    for num_views, rivals in ((2, ("gca", "gca_fn", "dali", "torchvision")), (8, ("gca",))):
        work = Workload(
            manifest,
            batch_size=BATCH,
            num_views=num_views,
            num_threads=num_cores(),
            device="cuda:0",
        )
        decode_only, others = measure(work, rivals, num_rounds=ROUNDS, seconds=SECONDS)
        rows = []
        for one in (decode_only, *others):
            names = ("loaders", one.name, str(work))
            rows.append(gpu_row(names, "images per second", "1/s", one.rates))
            rows.append(gpu_row(names, "over decode_only", "", one.ratios(decode_only)))
        write_rows(given.out, rows)


if __name__ == "__main__":
    main()
