"""Read a CSV of image paths, labels and other columns as text, and code labels as integers.

A CSV file enters; a :class:`Listing` with one entry per usable row leaves, what cannot be used is
refused by its row. The next step is :class:`gca_dali.data.manifest.Manifest`.
"""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gca_dali.data.index import Refused, is_plain_text

MAX_INTEGER_LABEL = 65_535

# Python's own int() and float() also take "1_0", "nan" and other scripts' digits.
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+(\.0*)?")
_PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Listing:
    """Rows of a CSV whose paths are relative to a root.

    Parameters
    ----------
    paths : tuple of str
        Posix paths relative to the root, normalised and without duplicates.
    columns : dict of str to list of str
        All other columns as text, one entry per path.
    refused : tuple of Refused
        Rows that cannot be used.
    """

    paths: tuple[str, ...]
    columns: dict[str, list[str]]
    refused: tuple[Refused, ...]


def read_listing(csv_path: Path, root: Path) -> Listing:
    """Read a CSV with a header line and a column ``path``.

    Parameters
    ----------
    csv_path : Path
        UTF-8, separated by commas.
    root : Path
        Folder that relative paths start from.

    Returns
    -------
    Listing

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not such a CSV; a single bad row is refused instead.
    """
    if not csv_path.is_file():
        raise FileNotFoundError(f"csv must be an existing file, got {csv_path}. Check the path.")
    try:
        with open(csv_path, newline="", encoding="utf-8-sig") as file:
            names, *rows = list(csv.reader(file)) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"csv must be UTF-8 text separated by commas, got {csv_path} ({error}). "
            "Export it again."
        ) from None
    names = [name.strip() for name in names]
    if "path" not in names:
        raise ValueError(
            f"csv must have a column named path, got the columns {', '.join(names) or 'none'} in "
            f"{csv_path}. Name the column that holds the image files path."
        )
    if len(set(names)) < len(names):
        raise ValueError(
            f"csv must name each column once, got {', '.join(names)} in {csv_path}. Rename them."
        )
    return _collect_rows(names, rows, root)


def _collect_rows(names: list[str], rows: list[list[str]], root: Path) -> Listing:
    where = names.index("path")
    first_row: dict[str, int] = {}
    kept, refused = [], []
    for number, row in enumerate(rows, start=2):  # line 1 is the header
        if not row:
            continue
        path = row[where].strip() if len(row) > where else ""
        if len(row) != len(names):
            reason = f"row {number} has {len(row)} fields, the header {len(names)}"
            refused.append(Refused(path, reason))
        elif not path or not is_plain_text(path):
            refused.append(Refused(ascii(path), f"row {number} has no usable path"))
        elif (path := _normalise(path, root)) in first_row:
            reason = f"listed twice, in rows {first_row[path]} and {number}; the first one counts"
            refused.append(Refused(path, reason))
        else:
            first_row[path] = number
            kept.append(row)
    columns = {
        name: [row[place].strip() for row in kept]
        for place, name in enumerate(names)
        if name and name != "path"
    }
    return Listing(tuple(first_row), columns, tuple(refused))


def _normalise(path: str, root: Path) -> str:
    full = os.path.normpath(os.path.join(os.path.abspath(root), path))
    return Path(os.path.relpath(full, root)).as_posix()


def code_labels(texts: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turn label texts into class indices.

    Whole numbers stay what they are (also "2.0", as tables with gaps write them); anything else
    makes all of them names, numbered in sorted order. Empty texts, and −1 among numbers, mean that
    there is no label.

    Parameters
    ----------
    texts : list of str
        One per row.

    Returns
    -------
    labels : numpy.ndarray, int64, [N]
        −1 where there is none.
    classes : tuple of str
        The name of each index.

    Raises
    ------
    ValueError
        If the labels are numbers that cannot be class indices.
    """
    numbers = [_parse_integer(text) for text in texts if text]
    if not numbers:
        return np.full(len(texts), -1, np.int64), ()
    if None in numbers:
        classes = sort_names(text for text in texts if text)
        codes = {name: code for code, name in enumerate(classes)}
        return np.array([codes.get(text, -1) for text in texts], np.int64), classes
    whole = [number for number in numbers if number is not None]
    for number in (min(whole), max(whole)):
        if not -1 <= number <= MAX_INTEGER_LABEL:
            raise ValueError(
                f"label must be a name or a class index from 0 to {MAX_INTEGER_LABEL} (−1: none), "
                f"got {number}. Rename the column if it is no class."
            )
    rest = iter(whole)
    labels = np.array([next(rest) if text else -1 for text in texts], np.int64)
    return labels, tuple(str(code) for code in range(max(whole) + 1))


def sort_names(names) -> tuple[str, ...]:
    """Sort distinct names; by value where all of them are whole numbers ("2" before "10").

    Parameters
    ----------
    names : iterable of str
        May repeat.

    Returns
    -------
    tuple of str
    """
    distinct = set(names)
    if all(name.isascii() and name.isdigit() for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def type_column(texts: list[str]) -> np.ndarray:
    """Turn a text column into int64 or float64 where every entry is such a number as printed.

    Parameters
    ----------
    texts : list of str
        "007" and "" are no numbers, so identifiers stay text.

    Returns
    -------
    numpy.ndarray, int64, float64 or str, [N]
    """
    if texts and all(_PLAIN_INTEGER.fullmatch(text) for text in texts):
        return np.array([int(text) for text in texts], np.int64)
    if texts and all(_DECIMAL.fullmatch(text) for text in texts):
        return np.array([float(text) for text in texts], np.float64)
    return np.array(texts, dtype=str)


def _parse_integer(text: str) -> int | None:
    return int(float(text)) if _WHOLE_NUMBER.fullmatch(text) else None
