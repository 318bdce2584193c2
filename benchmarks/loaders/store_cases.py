"""What the measurements of stores share: originals, stores of them, and views of both.

Real X-rays enter; manifests and stores in a scratch folder leave. `bench_store` times them,
`compare_store` compares their views.
"""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np

from gca_dali.data.manifest import Manifest
from gca_dali.prepare.run import StoreOptions, prepare_store


def take_jpegs(data: Path) -> Manifest:
    """Return the chest JPEGs as they are."""
    return Manifest.from_folder(data / "chest").where(format="jpeg")


def write_deep_pngs(data: Path, folder: Path) -> Manifest:
    """Write the chest JPEGs as PNG16 of the same size.

    Eight bits become sixteen with the noise of a detector in the low byte (SD 64 of 65536, fixed
    seed): zeros there would compress as no true 16-bit X-ray does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = take_jpegs(data)
    for row in range(len(rows)):
        noise = np.random.default_rng(row).normal(0, 64, (rows.height[row], rows.width[row]))
        deep = np.clip(rows.read(row).astype(np.float32) * 257 + noise, 0, 65535)
        path = folder / Path(str(rows.path[row])).with_suffix(".png").name
        path.write_bytes(imagecodecs.png_encode(np.rint(deep).astype(np.uint16)))
    return Manifest.from_folder(folder)


def make_store(manifest: Manifest, folder: Path, encoding: str, shorter_side: int) -> Manifest:
    """Prepare a store and open it."""
    prepare_store(manifest, folder, StoreOptions(shorter_side, encoding))
    return Manifest.open(folder)


def count_bytes(folder: Path) -> int:
    """Return the size of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
