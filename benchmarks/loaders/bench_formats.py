"""Hospital formats against their bare codecs, and the loader against decoding alone.

`python -m benchmarks.loaders.bench_formats DATA` reads the 3.8-megapixel hips of DATA/dicom in each
coding three ways in turn (`Manifest.read`, imagecodecs on the codestream, pydicom where it has a
decoder), by the clock and by processor time (its worker's too), then times the loader with two
views beside its own images alone, on chest PNGs, PNG16 and DICOM. Rows go into `formats_cpu.json`;
`python benchmarks/plot.py` writes the table of docs/formats.md. Four minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import imagecodecs
import numpy as np
from pydicom import dcmread
from pydicom.encaps import get_frame

from benchmarks.row import RESULTS, Row, make_row, write_rows
from gca_dali.data.fetch import make_fetcher
from gca_dali.data.manifest import Manifest
from gca_dali.report.bench import take
from gca_dali.report.rivals import decode_only, gca
from gca_dali.report.workload import Workload

RESULT = RESULTS / "formats_cpu.json"
HIP = "wg04_RG2_hip_{}.dcm"
BARE: dict[str, Callable[[bytes], object]] = {
    "RLE": lambda data: imagecodecs.dicomrle_decode(data, "<u2"),
    "JPLL": imagecodecs.jpeg8_decode,
    "JPLY_fixed": imagecodecs.jpeg8_decode,
    "JLSL": imagecodecs.jpegls_decode,
    "JLSN": imagecodecs.jpegls_decode,
    "J2KR": imagecodecs.jpeg2k_decode,
    "J2KI": imagecodecs.jpeg2k_decode,
}
CODINGS = ("UNC", *BARE)
BATCH_SIZE = 8
NUM_PREFETCHED = 3


def make_readers(folder: Path, coding: str) -> dict[str, Callable[[], object]]:
    """Return ways to read one file, by provider."""
    path = folder / HIP.format(coding)
    manifest = Manifest.from_csv(_list_one(path))
    readers: dict[str, Callable[[], object]] = {"gca_dali": lambda: manifest.read(0)}
    if coding in BARE:
        decode = BARE[coding]
        data = get_frame(dcmread(path).PixelData, 0, number_of_frames=1)
        readers["bare codec"] = lambda: decode(data)
    try:
        dcmread(path).pixel_array  # noqa: B018
        readers["pydicom"] = lambda: dcmread(path).pixel_array
    except (RuntimeError, AttributeError) as error:
        print(f"{coding}: pydicom has no decoder here ({str(error).splitlines()[0][:80]})")
    return readers


def _list_one(path: Path) -> Path:
    table = path.with_suffix(".csv")
    table.write_text(f"path\n{path.name}\n")
    return table


def read_processor_clock() -> float:
    """Return the processor time of this process and its workers in seconds."""
    lists = Path("/proc/self/task").glob("*/children")
    workers = [int(number) for children in lists for number in children.read_text().split()]
    # The number of a process's clock, as clock_getcpuclockid makes it.
    used = sum(time.clock_gettime((~worker << 3) | 2) for worker in workers)
    return time.process_time() + used


def time_read(read: Callable[[], object]) -> tuple[float, float]:
    """Return seconds and processor seconds of one read."""
    used, started = read_processor_clock(), time.perf_counter()
    read()
    ended = time.perf_counter()
    return ended - started, read_processor_clock() - used


def time_in_turn(readers: dict[str, Callable[[], object]], num_runs: int) -> dict[str, np.ndarray]:
    """Return seconds and processor seconds of each run, [2, N], the readers taking turns."""
    seconds = {name: np.zeros((2, num_runs)) for name in readers}
    for read in readers.values():
        read()
    for run in range(num_runs):
        for name, read in readers.items():
            seconds[name][:, run] = time_read(read)
    return seconds


def measure_codings(data: Path, num_runs: int) -> list[Row]:
    """Time every coding of the hip; ratios are of the runs that stood side by side."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for coding in CODINGS:
            shutil.copy(data / "dicom" / HIP.format(coding), scratch)
            seconds = time_in_turn(make_readers(Path(scratch), coding), num_runs)
            for name, clocks in seconds.items():
                workload = f"hip {coding}"
                for kind, values in zip(("time", "processor time"), clocks, strict=True):
                    names = ("read", name, workload)
                    rows.append(make_row(names, f"{kind} per image", "ms", list(1e3 * values)))
                if name == "gca_dali":
                    continue
                ratios = seconds["gca_dali"] / clocks
                for kind, values in zip(("time", "processor time"), ratios, strict=True):
                    names = ("read", f"gca_dali over {name}", workload)
                    rows.append(make_row(names, f"{kind} ratio", "", list(values)))
                told = "{:.2f} of {}, {:.2f} of its processor time"
                told = told.format(np.median(ratios[0]), name, np.median(ratios[1]))
                print(f"{coding}: {told}", flush=True)
    return rows


def decode_dicom(work: Workload) -> Iterator[int]:
    """Read images in as many threads as the loader does; nothing else."""
    fetcher, rows = make_fetcher(work.manifest), cycle(range(len(work.manifest)))
    threads = ThreadPoolExecutor(work.num_threads)
    ahead: deque[list[Future[np.ndarray]]] = deque()
    while True:
        while len(ahead) < 2:
            some = islice(rows, work.batch_size)
            ahead.append([threads.submit(fetcher.fetch, row) for row in some])
        yield len([image.result() for image in ahead.popleft()])


def measure_loaders(data: Path, num_rounds: int, seconds: float) -> list[Row]:
    """Time the loader and its images alone in turn, on PNG8, PNG16 and DICOM."""
    rows = []
    workloads = {
        "PNG8": Manifest.from_folder(data / "chest").where(format="png"),
        "PNG16": Manifest.from_folder(data / "formats").where(format="png", bits=16),
        "DICOM": Manifest.from_folder(data / "dicom").where(format="dicom"),
    }
    for name, manifest in workloads.items():
        work = Workload(manifest, batch_size=BATCH_SIZE)
        alone = decode_dicom if name == "DICOM" else decode_only
        iterators = {"gca_dali": gca(work), "decode only": alone(work)}
        rates: dict[str, list[float]] = {provider: [] for provider in iterators}
        for iterator in iterators.values():
            take(iterator, NUM_PREFETCHED, 0.0)
        for _ in range(num_rounds):
            for provider, iterator in iterators.items():
                take(iterator, NUM_PREFETCHED, 0.0)
                rates[provider].append(take(iterator, 1, seconds))
        for provider, values in rates.items():
            names = ("load", provider, f"{name}, {work}")
            rows.append(make_row(names, "throughput", "images/s", values))
        ratio = list(np.divide(rates["gca_dali"], rates["decode only"]))
        names = ("load", "gca_dali over decode only", f"{name}, {work}")
        rows.append(make_row(names, "throughput ratio", "", ratio))
        told = f"{np.median(rates['gca_dali']):.1f} images/s, {np.median(ratio):.2f} of decode only"
        print(f"{name}: {told}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with dicom/, chest/ and formats/")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    write_rows(args.out, measure_codings(args.data, args.runs))
    write_rows(args.out, measure_loaders(args.data, args.rounds, args.seconds))


if __name__ == "__main__":
    main()
