"""Read a CSV of image paths, labels and other columns as text, and code labels as integers.

A CSV file enters; a :class:`Listing` with one entry per usable row leaves, what cannot be used is
refused by its line. The next step is :class:`gca_dali.data.manifest.Manifest`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from gca_dali.common.csv_table import MISSING, CsvTable, read_csv
from gca_dali.data.index import Refused, is_plain_text

MAX_INTEGER_LABEL = 65_535
KNOWN_COLUMNS = ("path", "label", "split", "patient")

# Python's own int() and float() also take "1_0", "nan" and other scripts' digits.
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+(\.0*)?")
_PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_MAX_FLOAT_DIGITS = 15
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
        UTF-8, see :func:`gca_dali.common.csv_table.read_csv`.
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
    table = read_csv(csv_path)
    names = _fold_known(table.names)
    if "path" not in names:
        raise ValueError(
            f"csv must have a column named path, got the columns {', '.join(names) or 'none'} in "
            f"{csv_path}. Name the column that holds the image files path."
        )
    return _collect_rows(names, table, root)


def _fold_known(names: list[str]) -> list[str]:
    """Read "Label" as "label", where no column has that name itself."""
    folded = [name.casefold() for name in names]
    return [
        low if low in KNOWN_COLUMNS and low not in names and folded.count(low) == 1 else name
        for name, low in zip(names, folded, strict=True)
    ]


def _collect_rows(names: list[str], table: CsvTable, root: Path) -> Listing:
    where = names.index("path")

    @lru_cache(None)
    def resolve(folder: str) -> str:
        return os.path.realpath(folder)

    first_line: dict[str, int] = {}
    kept, refused = [], []
    for line, row in zip(table.lines, table.rows, strict=True):
        path = row[where] if len(row) > where else ""
        if len(row) != len(names):
            reason = f"line {line} has {len(row)} fields, the header {len(names)}"
            refused.append(Refused(path, reason))
        elif not path or not is_plain_text(path):
            refused.append(Refused(ascii(path), f"line {line} has no usable path"))
        elif (path := _normalise(path, root, resolve)) in first_line:
            reason = f"listed twice, in lines {first_line[path]} and {line}; the first one counts"
            refused.append(Refused(path, reason))
        else:
            first_line[path] = line
            kept.append(row)
    columns = {
        name: [row[place] for row in kept]
        for place, name in enumerate(names)
        if name and name != "path"
    }
    return Listing(tuple(first_line), columns, tuple(refused))


def _normalise(path: str, root: Path, resolve: Callable[[str], str]) -> str:
    top = os.path.abspath(root)
    full = os.path.join(top, read_windows_path(path, root))
    relative = os.path.relpath(os.path.normpath(full), top)
    if _leaves(relative):
        # Perhaps by its name alone: where one of the two is written through a link. Below a root
        # that is one, ".." is the folder around its target.
        folder, name = os.path.split(full)
        real = os.path.relpath(os.path.join(resolve(folder), name), resolve(top))
        if resolve(top) != top or not _leaves(real):
            relative = real
    return Path(relative).as_posix()


def _leaves(relative: str) -> bool:
    return relative.split(os.sep, 1)[0] == os.pardir


def read_windows_path(path: str, root: Path) -> str:
    """Turn backslashes into slashes, unless a file has them in its name.

    Parameters
    ----------
    path : str
        Of a list, relative to `root` or absolute.
    root : Path
    """
    is_name = "\\" not in path or os.path.lexists(os.path.join(root, path))
    return path if is_name else path.replace("\\", "/")


def code_labels(texts: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turn label texts into class indices.

    Whole numbers stay what they are (also "2.0", as tables with gaps write them); anything else
    makes all of them names, numbered in sorted order. Empty texts and those in `MISSING`, and −1
    among numbers, mean that there is no label.

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
    texts = ["" if text in MISSING else text for text in texts]
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
        "007" is no number, so identifiers stay text. Those in `MISSING` become NaN among numbers
        that float64 holds exactly as printed; a column of them alone stays text.

    Returns
    -------
    numpy.ndarray, int64, float64 or str, [N]
    """
    known = [text for text in texts if text not in MISSING]
    if not known or not all(_DECIMAL.fullmatch(text) for text in known):
        return np.array(texts, dtype=str)
    if all(_PLAIN_INTEGER.fullmatch(text) for text in known):
        if len(known) == len(texts):
            return np.array([int(text) for text in texts], np.int64)
        if any(len(text) > _MAX_FLOAT_DIGITS for text in known):
            return np.array(texts, dtype=str)
    return np.array([np.nan if text in MISSING else float(text) for text in texts], np.float64)


def _parse_integer(text: str) -> int | None:
    return int(float(text)) if _WHOLE_NUMBER.fullmatch(text) else None
