"""Images per second with a predictor: the epoch that fills the table, and those that look maps up.

Enters: a manifest. Leaves: rows of `gaze_fill.json`, and the model's calls in each kind of epoch,
which must be none where maps are looked up. The table lies in a folder of its own and vanishes.

    python benchmarks/gaze/bench_fill.py DATA/knee/labels.csv --where split=test
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.row import RESULTS, make_row, write_rows
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.predicted import PredictedTable
from gca_dali.loader import GCALoader
from gca_dali.prepare.fill import fill_table
from gca_dali.steps.saliency import SaliencySource, find_predictor
from gca_dali_kernels.kept import FOLDER_VARIABLE

BATCH_SIZE = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--where", default="split=test", metavar="COLUMN=VALUE")
    parser.add_argument("--predictor", default="knee")
    parser.add_argument("--num-images", type=int, default=512)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    column, value = options.where.split("=", 1)
    manifest = Manifest.open(options.manifest).where(**{column: value})
    manifest = manifest.take(np.arange(min(options.num_images, len(manifest))))
    predictor = find_predictor(options.predictor)
    if predictor is None:
        raise SystemExit(f"predictor must be a file or knee, got {options.predictor}.")

    time_epoch(make_loader(manifest, "centre", options.device))  # compiles the kernels
    rates: dict[str, list[float]] = {}
    calls: dict[str, set[int]] = {}
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            os.environ[FOLDER_VARIABLE] = folder
            loader = make_loader(manifest, predictor, options.device)
            for name in ("first epoch, on the fly", "second epoch, looked up"):
                before = count_calls(loader)
                rates.setdefault(name, []).append(time_epoch(loader))
                calls.setdefault(name, set()).add(count_calls(loader) - before)
        with tempfile.TemporaryDirectory() as folder:
            os.environ[FOLDER_VARIABLE] = folder
            start = time.perf_counter()
            fill_table(predictor, manifest, BATCH_SIZE, options.device)
            ahead = len(manifest) / (time.perf_counter() - start)
            rates.setdefault("gaze predict", []).append(ahead)
            loader = make_loader(manifest, predictor, options.device)
            name = "first epoch, filled ahead"
            rates.setdefault(name, []).append(time_epoch(loader))
            calls.setdefault(name, set()).add(count_calls(loader))
        centre = make_loader(manifest, "centre", options.device)
        rates.setdefault("centre prior", []).append(time_epoch(centre))

    names = [("gaze_fill", name, f"{len(manifest)} {options.where}") for name in rates]
    rows = [
        make_row(name, "images per second", "1/s", found)
        for name, found in zip(names, rates.values(), strict=True)
    ]
    rows += [
        make_row(("gaze_fill", name, names[0][2]), "calls of the model", "1", sorted(found))
        for name, found in calls.items()
    ]
    for row in rows:
        print(f"{row.provider}: {row.metric} {row.p20:.0f} {row.p50:.0f} {row.p80:.0f}")
    for name, found in calls.items():
        if "on the fly" not in name and found != {0}:
            raise SystemExit(f"{name} must not call the model, got {sorted(found)} calls.")
    write_rows(RESULTS / "gaze_fill.json", rows)


def make_loader(manifest: Manifest, saliency: SaliencySource, device: str) -> GCALoader:
    """Return a loader of whole epochs."""
    return GCALoader(
        manifest, saliency=saliency, batch_size=BATCH_SIZE, device=device, drop_last=False
    )


def count_calls(loader: GCALoader) -> int:
    """Return the calls of the model so far."""
    if not isinstance(loader.table, PredictedTable):
        raise TypeError(f"table must be predicted, got {type(loader.table).__name__}.")
    return loader.table.num_calls


def time_epoch(loader: GCALoader) -> float:
    """Return images per second of one epoch, from the first batch's request to the last batch."""
    start, num_images = time.perf_counter(), 0
    for batch in loader:
        num_images += len(batch)
    return num_images / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
