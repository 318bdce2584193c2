"""A folder of phantoms, as a user's own data would lie there.

Key and number enter; images, labels, boxes, fixations and saliency maps are written. The
manifest, the audit and the saliency sources read them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from gca_dali.common.progress import track
from gca_dali.gaze.map_folder import INDEX_NAME, choose_names, write_maps
from gca_dali.phantoms.phantom import Phantom, check_integer, make_phantom, phantom_saliency
from gca_dali.phantoms.texture import KINDS, Kind

__all__ = ["write_phantoms"]

_SIGMA_FRACTION = 0.05


def write_phantoms(
    folder: str | Path,
    num_images: int,
    *,
    kind: Kind | Literal["mixed"] = "chest",
    seed: int = 0,
    height: int = 512,
    width: int = 512,
    bits: int = 8,
) -> Path:
    """Write phantoms as PNG files with everything that is known about them.

    The folder then holds ``images/``, ``labels.csv`` (path, label, split, patient, kind),
    ``boxes.csv`` (path, x, y, w, h, label, is_abnormality), ``fixations.csv`` (image, x, y,
    duration in seconds, simulated) and ``maps/`` with a float32 map of 64 × 64 per image and
    ``index.json``. Paths are relative to the folder. Every fifth patient is in the split
    ``test``, all others in ``train``. Where kinds are mixed, grades of knees and labels of
    chests share the column ``label``; select by the column ``kind``.

    Parameters
    ----------
    folder : str or pathlib.Path
        Created where absent. Phantoms of the same names are written over.
    num_images : int
        At least 1.
    kind : str
        ``"chest"``, ``"knee"``, or ``"mixed"`` for both in turn.
    seed, height, width, bits : int
        As for :func:`gca_dali.phantoms.make_phantom`.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    TypeError, ValueError
        A value is refused.
    FileExistsError
        The folder holds other images or maps, which would be taken for phantoms.
    """
    check_integer("num_images", num_images, 1, None)
    if kind not in (*KINDS, "mixed"):
        raise ValueError(
            f"kind must be 'knee', 'chest' or 'mixed', got {kind!r}. Choose one of these."
        )
    kinds: tuple[Kind, ...] = KINDS if kind == "mixed" else (kind,)
    keys: list[tuple[Kind, int]] = [
        (kinds[at % len(kinds)], at // len(kinds)) for at in range(num_images)
    ]
    paths = [f"images/{kind_}_{index:06d}.png" for kind_, index in keys]
    folder = Path(folder)
    _make_room(folder / "images", {Path(path).name for path in paths})
    _make_room(folder / "maps", {INDEX_NAME, *choose_names(paths).values()})

    labels, boxes, fixations = [], [], []

    def write_images() -> Iterator[tuple[str, np.ndarray]]:
        for (kind_, index), path in track(zip(keys, paths, strict=True), num_images, "phantoms"):
            phantom = make_phantom(kind_, index, seed=seed, height=height, width=width, bits=bits)
            Image.fromarray(phantom.image).save(folder / path, compress_level=1)
            patient = index // 2
            split = "test" if patient % 5 == 4 else "train"
            labels.append((path, phantom.label, split, f"{kind_}_{patient:06d}", kind_))
            boxes.extend(_box_rows(path, phantom))
            gaze = _rounded(phantom.fixations)
            fixations.extend((path, x, y, seconds, 1) for y, x, seconds in gaze)
            yield path, phantom_saliency(phantom, sigma_fraction=_SIGMA_FRACTION)

    facts = {"sigma": _SIGMA_FRACTION, "sigma_unit": "share of shorter side", "source": "phantoms"}
    write_maps(folder / "maps", write_images(), paths, simulated=True, facts=facts)
    _write_csv(folder / "labels.csv", "path,label,split,patient,kind", labels)
    _write_csv(folder / "boxes.csv", "path,x,y,w,h,label,is_abnormality", boxes)
    _write_csv(folder / "fixations.csv", "image,x,y,duration,simulated", fixations)
    return folder


def _make_room(folder: Path, names: set[str]) -> None:
    """Create a folder, or refuse one with files that are not about to be written over."""
    folder.mkdir(parents=True, exist_ok=True)
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in names)
    if strangers:
        raise FileExistsError(
            f"folder must be empty or hold the same phantoms, got {strangers[0]} in {folder}. "
            "Remove it or choose another folder."
        )


def _box_rows(path: str, phantom: Phantom) -> Iterator[tuple]:
    """Rows of boxes.csv: pixels, x before y as the file's columns have it."""
    for name, (y, x, height, width) in zip(phantom.lesions, _rounded(phantom.boxes), strict=True):
        yield path, x, y, width, height, name, 1


def _rounded(table: np.ndarray) -> list[list[float]]:
    """Rows of a float table with three decimals."""
    return np.round(table.astype(np.float64), 3).tolist()


def _write_csv(path: Path, header: str, rows: list[tuple]) -> None:
    """Write a CSV file with a header line."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)
