"""Grey PNGs: our decoder and the loader against DALI's and libpng's decoders, into `png_cpu.json`.

`python -m benchmarks.loaders.bench_png DATA` takes the 8-bit PNGs of DATA/chest and the 16-bit ones
of DATA/formats and times, in interleaved rounds of one run and on two threads: DALI's decoder
alone, `imagecodecs.png_decode` (libpng), `read_image`, and the loader with two views of 224 px.
Ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import imagecodecs
import numpy as np

from benchmarks.row import RESULTS, Row, make_row, write_rows
from gca_dali import Manifest
from gca_dali.image.read import read_image
from gca_dali.report.bench import NUM_PREFETCHED, take
from gca_dali.report.rivals import decode_only, gca
from gca_dali.report.workload import Workload

NUM_THREADS = 2
BATCH_SIZE = 4
SETS = {"PNG8 1.0 MP": ("chest", "*.png"), "PNG16 4 MP": ("formats", "*_raw16.png")}


def decode_in_threads(files: list[str], decode: Callable[[str], Any]) -> Iterator[int]:
    """Yield the sizes of batches whose files two threads have decoded."""
    names = cycle(files)
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        while True:
            yield len(list(pool.map(decode, islice(names, BATCH_SIZE))))


def decode_with_libpng(path: str) -> np.ndarray:
    return imagecodecs.png_decode(Path(path).read_bytes())


def check_pixels(files: list[str]) -> None:
    """Refuse to time decoders that disagree."""
    for path in files:
        np.testing.assert_array_equal(read_image(path), decode_with_libpng(path))


def measure_set(manifest: Manifest, name: str, num_rounds: int, seconds: float) -> list[Row]:
    work = Workload(manifest, batch_size=BATCH_SIZE, num_threads=NUM_THREADS)
    check_pixels(work.files)
    loaders = {
        "dali_decode": decode_only(work),
        "libpng": decode_in_threads(work.files, decode_with_libpng),
        "read_image": decode_in_threads(work.files, read_image),
        "gca": gca(work),
    }
    rates: dict[str, list[float]] = {provider: [] for provider in loaders}
    for iterator in loaders.values():
        take(iterator, NUM_PREFETCHED, 0.0)  # compiles
    for number in range(num_rounds):
        for provider, iterator in loaders.items():
            take(iterator, NUM_PREFETCHED, 0.0)
            rates[provider].append(take(iterator, 1, seconds))
            # Let it fill its queue again now, and not in the turn of the next.
            time.sleep(min(NUM_PREFETCHED * BATCH_SIZE / rates[provider][-1], 5.0))
            print(f"{name}, round {number + 1}: {provider} {rates[provider][-1]:.0f}/s", flush=True)
    rows = []
    for provider, values in rates.items():
        ratios = [mine / alone for mine, alone in zip(values, rates["dali_decode"], strict=True)]
        names = ("png", provider, f"{name}, {NUM_THREADS} threads")
        rows.append(make_row(names, "throughput", "images/s", values))
        rows.append(make_row(names, "ratio to DALI's decoding", "1", ratios))
        print(f"{name}: {provider} {median(values):.0f} images/s, ratio {median(ratios):.2f}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with chest/ and formats/")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--out", type=Path, default=RESULTS / "png_cpu.json")
    args = parser.parse_args()
    for name, (folder, pattern) in SETS.items():
        wanted = {path.name for path in (args.data / folder).glob(pattern)}
        found = Manifest.from_folder(args.data / folder)
        chosen = [row for row, path in enumerate(found.path.tolist()) if path in wanted]
        rows = measure_set(found.take(chosen), name, args.rounds, args.seconds)
        write_rows(args.out, rows)


if __name__ == "__main__":
    main()
