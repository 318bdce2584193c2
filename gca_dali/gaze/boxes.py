"""Lesion boxes of a CSV, by row of a manifest.

Enters: a CSV with path, x, y, w, h and, if it has it, is_abnormality; other columns are not read.
Leaves: lesions and other boxes per row, y before x. Next: the simulated reader.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gca_dali.data.listing import read_windows_path
from gca_dali.data.rows import Rows
from gca_dali.gaze.tables import read_table


@dataclass(frozen=True)
class ImageBoxes:
    """Boxes of one image.

    Attributes
    ----------
    lesions, others : numpy.ndarray, float64, [L, 4] and [M, 4]
        y0, x0, height, width in pixels.
    """

    lesions: np.ndarray
    others: np.ndarray


def read_boxes_csv(path: str | Path, rows: Rows) -> list[ImageBoxes]:
    """Read the boxes of every row of a manifest.

    Parameters
    ----------
    path : str or Path
        Its paths are relative to its own folder and matched by resolved path; for a store they
        are those of the originals, as its manifest had them. Boxes of other images are passed
        over. x, y is the upper left corner, in pixels of the original image. Without the column
        `is_abnormality` every box is a lesion, with it those that have 1 there.
    rows : Rows
        A manifest.

    Returns
    -------
    list of ImageBoxes
        One per row, empty where an image has no box.

    Raises
    ------
    ValueError
        For missing columns, numbers that are none, or where no box belongs to the manifest.
    """
    path = Path(path)
    table = read_table(path)
    table.require("path", "x", "y", "w", "h")
    corners = np.stack([table.numbers(name) for name in ("y", "x", "h", "w")], axis=1)
    if not np.isfinite(corners).all() or (corners[:, 2:] <= 0).any():
        raise ValueError(
            f"boxes in {path} must have finite x, y and positive w, h, got others. Correct them."
        )
    lesion = np.ones(len(table), bool)
    if "is_abnormality" in table.columns:
        lesion = table.numbers("is_abnormality") == 1
    names = table.text("path").tolist()
    if rows.places is None:
        folder = path.resolve().parent
        files = rows.files
        named = [os.path.realpath(folder / read_windows_path(name, folder)) for name in names]
        owner = {os.path.realpath(file): row for row, file in enumerate(files)}
    else:
        owner = {name: row for row, name in enumerate(rows.path.tolist())}
        named = [name if name in owner else name.replace("\\", "/") for name in names]
        named = [os.path.normpath(name) for name in named]
    row_of = np.array([owner.get(name, -1) for name in named], np.int64)
    if len(table) and not (row_of >= 0).any():
        remedy = "Put the CSV where its paths start."
        if rows.places is not None:
            remedy = f"A store calls its first {rows.path[0]}."
        raise ValueError(
            f"boxes in {path} must belong to images of the manifest, got none that do. {remedy}"
        )
    return [
        ImageBoxes(corners[(row_of == row) & lesion], corners[(row_of == row) & ~lesion])
        for row in range(len(rows))
    ]
