"""Turn a folder or a CSV into the columns of a manifest.

A folder or a CSV enters; a dictionary of columns leaves, which `manifest.Manifest`
is made from. Headers are read by `data.index`, CSV rows by `data.listing`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from gca_dali.common.csv_table import MISSING
from gca_dali.data.index import Refused, find_files, read_headers, resolve_paths
from gca_dali.data.listing import Listing, code_labels, read_listing, sort_names, type_column
from gca_dali.data.rows import COLUMNS, SPLITS
from gca_dali.image.headers import Header
from gca_dali.image.voi import DicomOptions

_MEASURED = ("height", "width", "bits", "format", "num_bytes")


@dataclass(frozen=True)
class Reading:
    """How headers are read.

    Parameters
    ----------
    workers : int or None
        Number of threads.
    progress : bool
        Show a bar.
    allow_outside : bool
        Follow paths and links that lead out of the root.
    dicom : DicomOptions
        What is taken out of DICOM files.
    """

    workers: int | None = None
    progress: bool = False
    allow_outside: bool = False
    dicom: DicomOptions = field(default_factory=DicomOptions)


def index_folder(root: Path, labels: Path | None, reading: Reading) -> dict:
    """Index a folder; labels from its sub-folders or from a CSV.

    Parameters
    ----------
    root : Path
        The folder.
    labels : Path or None
        A CSV that lists some or all of the images.
    reading : Reading
        How.

    Returns
    -------
    dict
        Arguments of ``Manifest``.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If no image can be read.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"root must be an existing folder, got {root}. Check the path.")
    paths, refused = find_files(root)
    measured = _measure(root, paths, refused, reading)
    found = measured["path"]
    if labels is None:
        return measured | _columns_from_folders(found)
    listing = read_listing(labels, labels.parent)
    columns, missing = _match_listing(listing, labels.parent, [root / path for path in found])
    known = {item.path for item in measured["refused"]}
    missing = [item for item in missing if item.path not in known]
    measured["refused"] = (*measured["refused"], *listing.refused, *missing)
    return measured | _columns_from_texts(columns)


def index_csv(csv: Path, root: Path | None, reading: Reading) -> dict:
    """Index the images that a CSV lists.

    Parameters
    ----------
    csv : Path
        With the column path.
    root : Path or None
        Folder that the paths are relative to; the CSV's own where there is none.
    reading : Reading
        How.

    Returns
    -------
    dict
        Arguments of ``Manifest``.

    Raises
    ------
    FileNotFoundError
        If the CSV does not exist.
    ValueError
        If it has no column path, or no image can be read.
    """
    root = csv.parent if root is None else root
    listing = read_listing(csv, root)
    measured = _measure(root, list(listing.paths), list(listing.refused), reading)
    row_of = {path: row for row, path in enumerate(listing.paths)}
    rows = [row_of[path] for path in measured["path"]]
    columns = {name: [texts[row] for row in rows] for name, texts in listing.columns.items()}
    return measured | _columns_from_texts(columns)


def _measure(root: Path, paths: list[str], refused: list[Refused], reading: Reading) -> dict:
    results = read_headers(
        root,
        paths,
        workers=reading.workers,
        progress=reading.progress,
        allow_outside=reading.allow_outside,
        with_patient=reading.dicom.with_patient,
        voi=reading.dicom.voi,
    )
    refused = refused + [item for item in results if isinstance(item, Refused)]
    frames = [
        (path, item, frame)
        for path, item in zip(paths, results, strict=True)
        if isinstance(item, Header)
        for frame in range(item.num_frames if reading.dicom.frames == "all" else 1)
    ]
    if not frames:
        first = f" (the first: {refused[0].path}: {refused[0].reason})" if refused else ""
        raise ValueError(
            f"root must hold at least one readable image, got none of {len(refused)} in {root}"
            f"{first}. Bring JPEG, PNG, TIFF or DICOM files."
        )
    measured = {name: [getattr(header, name) for _, header, _ in frames] for name in _MEASURED}
    if reading.dicom.with_patient:
        measured["patient"] = [header.patient for _, header, _ in frames]
    return {
        "root": root,
        "path": [path for path, _, _ in frames],
        "frame": [frame for _, _, frame in frames],
        **measured,
        "voi": reading.dicom.voi,
        "refused": tuple(refused),
        "allow_outside": reading.allow_outside,
    }


def _columns_from_folders(paths: list[str]) -> dict:
    """Read split and label off the folders, if all images lie equally deep."""
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    if len({len(parts) for parts in folders}) != 1 or not folders[0]:
        return {}
    splits = [next(filter(SPLITS.__contains__, map(str.casefold, parts)), "") for parts in folders]
    found: dict = {"columns": {"split": np.array(splits)}} if all(splits) else {}
    names = [parts[-1] for parts in folders]
    distinct = sort_names(names)
    if len(distinct) < 2 or SPLITS.issuperset(map(str.casefold, distinct)):
        return found
    if all(re.fullmatch("[0-9]{1,2}", name) for name in distinct):
        labels, classes = code_labels(names)
    else:
        codes = {name: code for code, name in enumerate(distinct)}
        labels, classes = np.array([codes[name] for name in names]), distinct
    return found | {"label": labels, "classes": classes}


def _columns_from_texts(columns: dict[str, list[str]]) -> dict:
    """Sort the columns of a CSV into label, patient and the rest."""
    columns = dict(columns)
    found: dict = {}
    if "label" in columns:
        found["label"], found["classes"] = code_labels(columns.pop("label"))
    if "patient" in columns:
        texts = columns.pop("patient")
        found["patient"] = ["" if text in MISSING else text for text in texts]
    found["columns"] = {
        f"listed_{name}" if name in COLUMNS else name: type_column(texts)
        for name, texts in columns.items()
    }
    return found


def _match_listing(
    listing: Listing, folder: Path, files: list[Path]
) -> tuple[dict[str, list[str]], list[Refused]]:
    """Bring the rows of a CSV into the order of the files; name the rows without a file."""
    listed = resolve_paths(os.path.join(folder, path) for path in listing.paths)
    row_of = {target: row for row, target in enumerate(listed)}
    rows = [row_of.get(target, -1) for target in resolve_paths(map(str, files))]
    columns = {
        name: [texts[row] if row >= 0 else "" for row in rows]
        for name, texts in listing.columns.items()
    }
    lost = sorted(set(range(len(listed))).difference(rows))
    reason = "listed in the labels, but no readable image of the folder"
    return columns, [Refused(listing.paths[row], reason) for row in lost]
