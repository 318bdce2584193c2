"""Images for the benchmarks on a GPU: a folder of JPEGs, or phantoms made into JPEGs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gca_dali.data.manifest import Manifest

NUM_PHANTOMS = 32


def open_images(folder: Path | None, work: Path, side: int = 1024) -> Manifest:
    """Return the 8-bit JPEGs of a folder, or phantoms of `side` pixels as JPEGs under `work`."""
    if folder is not None:
        manifest = Manifest.open(folder)
        return manifest.take(np.flatnonzero((manifest.format == "jpeg") & (manifest.bits <= 8)))
    made = work / f"phantoms_{side}"
    if not made.is_dir():
        make_phantoms(made, side)
    return Manifest.from_folder(made)


def make_phantoms(folder: Path, side: int) -> None:
    """Write phantom chests as grey JPEGs of quality 90."""
    from PIL import Image

    from gca_dali.phantoms import make_phantom

    folder.mkdir(parents=True)
    for index in range(NUM_PHANTOMS):
        phantom = make_phantom("chest", index, height=side, width=side)
        Image.fromarray(phantom.image).save(folder / f"{index:03d}.jpg", quality=90)
