"""Break files on purpose and read them: every one must be refused by name or give an image.

Small valid files enter; counts of what became of each mutated copy leave. Reading happens in
worker processes, so that a crash of a decoder is counted and ends nothing. Run
``python -m benchmarks.fuzz --num-files 1000000`` for a long search; the tests run 20,000.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.fuzz_seeds import make_seeds
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.untrusted import DecoderCrashError, DecoderPool

# Numbers at which readers go wrong: none, one, signs and limits of 8, 16 and 32 bits.
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 60000, 0x7FFFFFFF, 0xFFFFFFFF)
_PREAMBLE_BYTES = 128


@dataclass
class FuzzResult:
    """What became of mutated files.

    Attributes
    ----------
    num_files, num_read, num_refused : int
        Files tried; those that gave a valid image; those refused with a reason.
    crashes : dict of str to int
        Times that a decoder died or hung, by seed and cause: the pool refused the file.
    failures : list of str
        What must never happen: another error, or an array that is no image.
    num_seconds, peak_mebibytes, slowest_seconds : float
        Wall time, largest resident size of a worker, slowest single file.
    """

    num_files: int = 0
    num_read: int = 0
    num_refused: int = 0
    crashes: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    num_seconds: float = 0.0
    peak_mebibytes: float = 0.0
    slowest_seconds: float = 0.0

    @property
    def num_bad(self) -> int:
        """Crashes and failures together."""
        return sum(self.crashes.values()) + len(self.failures)

    def add(self, other: FuzzResult) -> None:
        """Take up the counts of another run over other files."""
        self.num_files += other.num_files
        self.num_read += other.num_read
        self.num_refused += other.num_refused
        for cause, number in other.crashes.items():
            self.crashes[cause] = self.crashes.get(cause, 0) + number
        self.failures += other.failures
        self.slowest_seconds = max(self.slowest_seconds, other.slowest_seconds)


def mutate(data: bytes, random: np.random.Generator, donor: bytes) -> bytes:
    """Break a file in one to three ways.

    Parameters
    ----------
    data : bytes
        A valid file.
    random : numpy.random.Generator
        Source of chance.
    donor : bytes
        Another file, a piece of which may be copied in.

    Returns
    -------
    bytes
        At least 4 bytes, the first of which mostly still name the format.
    """
    broken = bytearray(data)
    # Half of the faults fall into the first 600 bytes, where headers are.
    start = _PREAMBLE_BYTES if data[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] == b"DICM" else 0
    for _ in range(random.integers(1, 4)):
        end = len(broken) if random.random() < 0.5 else min(len(broken), start + 600)
        place = int(random.integers(min(start, end - 1), end))
        kind = random.integers(7)
        if kind == 0:
            broken[place] ^= 1 << int(random.integers(8))
        elif kind == 1:
            broken[place] = int(random.integers(256))
        elif kind == 2:
            size = int(random.choice((1, 2, 4)))
            number = int(random.choice(_EXTREMES)) & ((1 << 8 * size) - 1)
            order = "little" if random.random() < 0.5 else "big"
            broken[place : place + size] = number.to_bytes(size, order)
        elif kind == 3:
            del broken[place : place + int(random.integers(1, 33))]
        elif kind == 4:
            source = int(random.integers(len(donor)))
            broken[place:place] = donor[source : source + int(random.integers(1, 65))]
        elif kind == 5:
            source = int(random.integers(len(broken)))
            size = int(random.integers(1, 65))
            broken[place : place + size] = broken[source : source + size]
        elif random.random() < 0.3:
            del broken[place:]
        if len(broken) < start + 8:
            broken = bytearray(data)
    if broken[:4] == b"\x89PNG" and random.random() < 0.7:
        _mend_png_checksums(broken)
    return bytes(broken)


def _mend_png_checksums(data: bytearray) -> None:
    """Make the checksums of a PNG true again: else its reader never gets past the first fault."""
    place = 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if end + 4 > len(data):
            return
        data[end : end + 4] = zlib.crc32(data[place + 4 : end]).to_bytes(4, "big")
        place = end + 4


def run_fuzz(
    num_files: int,
    *,
    formats: tuple[str, ...] = ("jpeg", "png", "tiff", "dicom"),
    seed: int = 0,
    num_workers: int = 2,
    keep: Path | None = None,
) -> FuzzResult:
    """Read mutated files in worker processes.

    Parameters
    ----------
    num_files : int
        How many to make, spread evenly over the seeds.
    formats : tuple of str
        Which formats.
    seed : int
        File number `i` depends on (seed, i) alone.
    num_workers : int
        Processes.
    keep : pathlib.Path, optional
        Folder for copies of the files that crashed a decoder or failed.

    Returns
    -------
    FuzzResult
    """
    seeds = {name: data for name, data in make_seeds().items() if name.split("-")[0] in formats}
    started = time.perf_counter()
    total = FuzzResult()
    with (
        tempfile.TemporaryDirectory() as folder,
        DecoderPool(num_workers, cpu_seconds=10, memory_bytes=2 << 30) as pool,
        ThreadPoolExecutor(num_workers) as threads,
    ):
        parts = [
            threads.submit(
                _run_part,
                range(part, num_files, num_workers),
                seeds,
                seed,
                Path(folder) / f"{part}.bin",
                pool,
            )
            for part in range(num_workers)
        ]
        for part in parts:
            result, broken = part.result()
            total.add(result)
            for name, data in broken.items():
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / name).write_bytes(data)
    total.num_seconds = time.perf_counter() - started
    # Kibibytes on Linux, over all children that have ended.
    total.peak_mebibytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return total


def _run_part(
    numbers: range, seeds: dict[str, bytes], seed: int, path: Path, pool: DecoderPool
) -> tuple[FuzzResult, dict[str, bytes]]:
    names = sorted(seeds)
    result, kept = FuzzResult(), {}
    for number in numbers:
        random = np.random.default_rng((seed, number))
        name = names[number % len(names)]
        data = mutate(seeds[name], random, seeds[names[random.integers(len(names))]])
        path.write_bytes(data)
        started = time.perf_counter()
        num_bad = result.num_bad
        _read_one(path, f"{name} {seed}/{number}", pool, result)
        result.slowest_seconds = max(result.slowest_seconds, time.perf_counter() - started)
        if result.num_bad > num_bad:
            kept[f"{name}_{seed}_{number}"] = data
    return result, kept


def _read_one(path: Path, label: str, pool: DecoderPool, result: FuzzResult) -> None:
    result.num_files += 1
    try:
        image, _ = pool.read(path)
    except DecoderCrashError as error:
        cause = f"{label.split()[0]}: {error.reason}"
        result.crashes[cause] = result.crashes.get(cause, 0) + 1
    except UnreadableImageError as error:
        result.num_refused += 1
        if not error.reason or "\n" in error.reason:
            result.failures.append(f"{label}: no reason in one line: {error.reason!r}")
    except Exception as error:
        result.failures.append(f"{label}: {type(error).__name__}: {error}")
    else:
        result.num_read += 1
        if image.ndim != 2 or image.dtype.name not in ("uint8", "uint16") or not image.size:
            result.failures.append(f"{label}: {image.dtype} of shape {image.shape}")


def main() -> int:
    """Run from the command line; the exit code is 1 after a crash or a failure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--num-files", type=int, default=20_000)
    parser.add_argument("--formats", nargs="+", default=["jpeg", "png", "tiff", "dicom"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--num-workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for the files that crash or fail")
    options = parser.parse_args()
    result = run_fuzz(
        options.num_files,
        formats=tuple(options.formats),
        seed=options.seed,
        num_workers=options.num_workers,
        keep=options.keep,
    )
    print(json.dumps(asdict(result), indent=2))
    return int(bool(result.num_bad))


if __name__ == "__main__":
    sys.exit(main())
