"""Break the files of a store on purpose and open it: refused by name, or the rows it had.

A tiny store of each encoding enters; counts of what became of each broken copy leave. Some copies
have their digests mended, as an attacker would, so that what lies behind the checksums is reached.
Run ``python -m benchmarks.fuzz_store --num-files 100000`` for a long search; the tests run a few.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.fuzz import mutate
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.table import MAP_SHAPE
from gca_dali.image.claims import UnreadableImageError
from gca_dali.prepare.run import StoreOptions, prepare_store
from gca_dali.store.encoding import BITS, check_sample, decode_pixels
from gca_dali.store.open import load_maps

_REFUSALS = (ValueError, OSError)


@dataclass
class StoreFuzzResult:
    """What became of broken stores.

    Attributes
    ----------
    num_files, num_read, num_refused : int
    failures : list of str
        What must never happen: another kind of error, or other pixels from a checked store.
    """

    num_files: int = 0
    num_read: int = 0
    num_refused: int = 0
    failures: list[str] = field(default_factory=list)


def make_seed(folder: Path, encoding: str) -> Path:
    """Prepare a store of four images with maps, two to a shard."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 256, (6, 8), np.uint8)
        Image.fromarray(noise).resize((32, 24)).save(images / f"{number}.png")
    options = StoreOptions(16, encoding, samples_per_shard=2)
    prepare_store(Manifest.from_folder(images), folder / encoding, options, saliency="centre")
    return folder / encoding


def run_store_fuzz(num_files: int, seed: int = 0) -> StoreFuzzResult:
    """Break one file of a store, again and again, and read all of the store.

    Parameters
    ----------
    num_files : int
    seed : int
        Copy number `i` depends on (seed, i) alone.

    Returns
    -------
    StoreFuzzResult
    """
    result = StoreFuzzResult()
    with tempfile.TemporaryDirectory() as scratch:
        seeds = [make_seed(Path(scratch), encoding) for encoding in BITS]
        whole = {
            store: {p.name: p.read_bytes() for p in sorted(store.iterdir())} for store in seeds
        }
        pixels = {store: [Manifest.open(store).read(row) for row in range(4)] for store in seeds}
        for number in range(num_files):
            random = np.random.default_rng((seed, number))
            store = seeds[number % len(seeds)]
            files = whole[store]
            name = sorted(files)[number // len(seeds) % len(files)]
            donor = files["store.json"]
            label = f"{store.name} {name} {seed}/{number}"
            result.num_files += 1
            if number % 3 == 0:
                _break_behind_checksums(store, random, donor, label, result)
                continue
            (store / name).write_bytes(mutate(files[name], random, donor))
            try:
                _read_all(store, pixels[store], label, result)
            finally:
                (store / name).write_bytes(files[name])
    return result


def _read_all(store: Path, expected: list[np.ndarray], label: str, result: StoreFuzzResult) -> None:
    try:
        manifest = Manifest.open(store)
        assert manifest.places is not None
        load_maps(manifest.places, MAP_SHAPE)
    except _REFUSALS as error:
        _note_refusal(error, label, result)
        return
    except Exception as error:
        result.failures.append(f"{label}: {type(error).__name__}: {error}")
        return
    num_refused = 0
    for row, image in enumerate(expected):
        try:
            if not np.array_equal(manifest.read(row), image):
                result.failures.append(f"{label}: other pixels in row {row}")
        except UnreadableImageError as error:
            num_refused += 1
            if "\n" in error.reason or not error.reason:
                result.failures.append(f"{label}: no reason in one line: {error.reason!r}")
        except Exception as error:
            result.failures.append(f"{label}: {type(error).__name__}: {error}")
    result.num_refused += num_refused > 0
    result.num_read += num_refused == 0


def _break_behind_checksums(
    store: Path,
    random: np.random.Generator,
    donor: bytes,
    label: str,
    result: StoreFuzzResult,
) -> None:
    """Break the index or a sample whose checksum is no hindrance."""
    manifest = Manifest.open(store)
    assert manifest.places is not None
    try:
        if random.random() < 0.3:
            _open_mended(store, mutate((store / "index.parquet").read_bytes(), random, donor))
        else:
            places = manifest.places
            row = int(random.integers(4))
            with open(store / places.store.shards[places.shard[row]], "rb") as file:
                file.seek(int(places.offset[row]))
                data = mutate(file.read(int(places.length[row])), random, donor)
            size = int(places.height[row]), int(places.width[row])
            check_sample(data, store.name, *size)
            image = decode_pixels(data, store.name, *size)
            if image.shape != size:
                result.failures.append(f"{label}: an image of {image.shape}")
        result.num_read += 1
    except _REFUSALS as error:
        _note_refusal(error, label, result)
    except Exception as error:
        result.failures.append(f"{label}: {type(error).__name__}: {error}")


def _open_mended(store: Path, index: bytes) -> None:
    """Open a store with another index and the digest of it."""
    saved = {name: (store / name).read_bytes() for name in ("index.parquet", "store.json")}
    about = json.loads(saved["store.json"])
    digest = hashlib.blake2b(index, digest_size=20).hexdigest()
    about["index"] |= {"num_bytes": len(index), "blake2b": digest}
    try:
        (store / "index.parquet").write_bytes(index)
        (store / "store.json").write_text(json.dumps(about))
        Manifest.open(store)
    finally:
        for name, data in saved.items():
            (store / name).write_bytes(data)


def _note_refusal(error: Exception, label: str, result: StoreFuzzResult) -> None:
    result.num_refused += 1
    if not str(error):
        result.failures.append(f"{label}: {type(error).__name__} without a reason")


def main() -> int:
    """Run from the command line; the exit code is 1 after a failure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--num-files", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = run_store_fuzz(options.num_files, options.seed)
    print(json.dumps(asdict(result), indent=2))
    return int(bool(result.failures))


if __name__ == "__main__":
    sys.exit(main())
