"""Columns of equal length that describe the images of a data set, checked at birth.

Arrays enter; selections of rows and a fingerprint leave. `manifest.Manifest` adds
where rows come from and how they are kept.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.data.index import Refused
from gca_dali.image.voi import parse_voi

if TYPE_CHECKING:
    from typing_extensions import Self

    from gca_dali.store.places import Places

_INTEGER_COLUMNS = {
    "height": np.int32,
    "width": np.int32,
    "bits": np.int16,
    "label": np.int64,
    "num_bytes": np.int64,
    "frame": np.int32,
}
_TEXT_COLUMNS = ("path", "format", "patient")
_UNKNOWN = {"label": -1, "patient": "", "num_bytes": 0, "frame": 0}
COLUMNS = (*_TEXT_COLUMNS, *_INTEGER_COLUMNS)
SPLITS = frozenset(("train", "val", "valid", "validation", "test"))


def fold_split(value: Any) -> Any:
    """Write the name of a split in small letters; whatever else stays as it is."""
    return value.casefold() if str(value).casefold() in SPLITS else value


def _none() -> np.ndarray:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class Rows:
    """One row per image, as columns of equal length N.

    Parameters
    ----------
    root : Path
        Folder that the paths are relative to.
    path : numpy.ndarray, str, [N]
        Posix paths relative to `root`, each once, or once per frame.
    height, width : numpy.ndarray, int32, [N]
        Pixels of the upright image (EXIF orientation applied).
    bits : numpy.ndarray, int16, [N]
        Bits of a stored value.
    format : numpy.ndarray, str, [N]
        "jpeg", "png", "tiff", "dicom", or "jpeg-rare" and so on for kinds that DALI misreads.
    label : numpy.ndarray, int64, [N]
        Class index, −1 where there is none.
    patient : numpy.ndarray, str, [N]
        Empty where it is unknown.
    columns : dict of str to numpy.ndarray
        Everything else, [N] each, int64, float64 or str. In "split", "Train" is read as "train".
    classes : tuple of str
        The name of each class index.
    refused : tuple of Refused
        Files and rows that were set aside, with their reasons.
    num_bytes : numpy.ndarray, int64, [N]
        File sizes when the index was made; zeros where they are unknown.
    allow_outside : bool
        Permit paths that lead out of `root`.
    frame : numpy.ndarray, int32, [N]
        Which frame of a DICOM file, from 0.
    voi : str
        What sets the contrast of DICOM images, see :func:`gca_dali.image.voi.parse_voi`.
    places : Places or None
        Where the images lie in the shards of a store; None for files.

    Raises
    ------
    ValueError
        If the columns differ in length, a path repeats or leads out of `root`, or a value is
        impossible.
    """

    root: Path
    path: np.ndarray
    height: np.ndarray
    width: np.ndarray
    bits: np.ndarray
    format: np.ndarray
    label: np.ndarray = field(default_factory=_none)
    patient: np.ndarray = field(default_factory=_none)
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    num_bytes: np.ndarray = field(default_factory=_none)
    allow_outside: bool = False
    frame: np.ndarray = field(default_factory=_none)
    voi: str = "auto"
    places: Places | None = None

    def __post_init__(self) -> None:
        if self.places is None:
            # "link/.." is not where the link lies: the kernel, which opens the files, says where.
            find = os.path.realpath if ".." in Path(self.root).parts else os.path.abspath
            object.__setattr__(self, "root", Path(find(self.root)))
        parse_voi(self.voi)
        num_rows = len(self.path)
        # What was left out is unknown in every row.
        for name, unknown in _UNKNOWN.items():
            if len(getattr(self, name)) == 0:
                object.__setattr__(self, name, np.full(num_rows, unknown))
        for name in COLUMNS:
            kind = _INTEGER_COLUMNS.get(name, str)
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=kind))
        split = np.asarray(self.columns.get("split", ()))
        if split.dtype.kind == "U" and split.ndim == 1:
            folded = np.array([fold_split(name) for name in split.tolist()], dtype=str)
            object.__setattr__(self, "columns", self.columns | {"split": folded})
        self._check(num_rows)

    def _check(self, num_rows: int) -> None:
        for name, values in self.all_columns().items():
            if np.shape(values) != (num_rows,):
                raise ValueError(
                    f"{name} must have one entry for each of the {num_rows} paths, got the shape "
                    f"{np.shape(values)}. Give all columns the same length."
                )
        clash = set(self.columns) & set(COLUMNS)
        if clash:
            raise ValueError(
                f"columns must not repeat a fixed column, got {', '.join(sorted(clash))}. "
                "Rename it."
            )
        if num_rows == 0:
            return
        for name in ("height", "width", "bits"):
            if getattr(self, name).min() < 1:
                raise ValueError(
                    f"{name} must be at least 1, got {getattr(self, name).min()}. Index again."
                )
        highest = len(self.classes) - 1 if self.classes else np.iinfo(np.int64).max
        if self.label.min() < -1 or self.label.max() > highest:
            raise ValueError(
                f"label must be −1 (none) or an index into the {len(self.classes)} classes, got "
                f"{self.label.min()} to {self.label.max()}. Give every label a class."
            )
        self._check_paths()

    def _check_paths(self) -> None:
        paths = self.path
        if self.frame.any():
            paths = np.char.add(np.char.add(paths, " frame "), self.frame.astype(str))
        names, counts = np.unique(paths, return_counts=True)
        if len(names) < len(self.path):
            raise ValueError(
                f"path must name each image once, got {names[counts.argmax()]} {counts.max()} "
                "times. Drop the repetitions."
            )
        if self.allow_outside:
            return
        # Links are followed where files are touched: when the index is made or opened.
        for path in self.path.tolist():
            if path.startswith("/") or ".." in path.split("/"):
                raise ValueError(
                    f"path must stay below the root {self.root}, got {path}. Pass "
                    "allow_outside=True (--allow-outside) if you trust it."
                )

    def __len__(self) -> int:
        return len(self.path)

    def all_columns(self) -> dict[str, np.ndarray]:
        """Give the fixed columns and the others, by name."""
        return {name: getattr(self, name) for name in COLUMNS} | self.columns

    @property
    def files(self) -> list[str]:
        """Absolute path of each image, in row order."""
        return [os.path.join(self.root, path) for path in self.path.tolist()]

    def file_of(self, row: int) -> str:
        """Absolute path of one image."""
        return os.path.join(self.root, str(self.path[row]))

    @property
    def stretched(self) -> np.ndarray:
        """Whether an image's own range becomes black to white, bool, [N]: deep files state none."""
        if self.places is not None:
            return np.zeros(len(self), bool)
        return (self.bits > 8) & (self.format != "dicom")

    @cached_property
    def fingerprint(self) -> str:
        """BLAKE2b over all columns and classes, 32 hex digits: the same rows, the same digest.

        Where the root lies and what was refused does not count; file sizes do.
        """
        digest = blake2b("\0".join(self.classes).encode(), digest_size=16)
        if (self.format == "dicom").any():
            digest.update(f"\0voi {self.voi}".encode())
        for name, values in sorted(self.all_columns().items()):
            if name == "frame" and not values.any():
                continue
            text = values.dtype.kind == "U"
            data = "\0".join(values.tolist()).encode() if text else values.tobytes()
            digest.update(f"\0{name}\0{values.dtype.kind}\0{len(data)}\0".encode() + data)
        return digest.hexdigest()

    def take(self, indices: np.ndarray | Sequence[int]) -> Self:
        """Select rows by position, in the order given.

        Parameters
        ----------
        indices : array of int, [M]
            Positions from 0 to N − 1, each at most once.

        Returns
        -------
        Rows
            Of the same class, with the same root, classes and refused files.

        Raises
        ------
        IndexError
            If a position does not exist.
        """
        rows = np.asarray(indices, np.int64)
        taken = {name: getattr(self, name)[rows] for name in COLUMNS}
        columns = {name: values[rows] for name, values in self.columns.items()}
        places = None if self.places is None else self.places.take(rows)
        return replace(self, **taken, columns=columns, places=places)

    def where(self, **conditions: object) -> Self:
        """Select the rows whose columns have the given values.

        Parameters
        ----------
        **conditions
            Column name and a value, or a list of values of which one must match. A label may be
            given by its class name.

        Returns
        -------
        Rows
            Of the same class.

        Raises
        ------
        ValueError
            If there is no such column, or no row is left.
        """
        chosen = np.ones(len(self), bool)
        for name, wanted in conditions.items():
            chosen &= self._matches(name, wanted)
        if conditions and not chosen.any():
            told = ", ".join(f"{name}={value}" for name, value in conditions.items())
            raise ValueError(
                f"where must select at least one row, got none for {told}. Ask for one condition "
                "less."
            )
        return self.take(np.flatnonzero(chosen))

    def _matches(self, name: str, wanted: object) -> np.ndarray:
        columns = self.all_columns()
        if name not in columns:
            raise ValueError(
                f"where must name one of the columns {', '.join(columns)}, got {name}. Add it to "
                "the CSV."
            )
        values = columns[name]
        options = wanted if isinstance(wanted, (list, tuple, set, np.ndarray)) else [wanted]
        if name == "label" and self.classes and all(isinstance(item, str) for item in options):
            values = np.array([*self.classes, "-1"])[values]  # −1 picks the last
        if name == "split":
            options = [fold_split(item) for item in options]
        try:
            found = np.isin(values, [values.dtype.type(item) for item in options])
        except (TypeError, ValueError):  # a word asked of a column of numbers
            found = np.zeros(len(self), bool)
        if len(self) and not found.any():
            present = np.unique(values).tolist()
            shown = ", ".join(map(str, present[:8])) + (", …" if len(present) > 8 else "")
            raise ValueError(f"{name} must be one of {shown}, got {wanted}. No row would be left.")
        return found
