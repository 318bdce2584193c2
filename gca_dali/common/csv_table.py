"""CSV files as rows of text: the one reader of label lists, boxes, recordings and sheets.

Enters: the path of a CSV. Leaves: its names and rows, each with the line that it begins on; what
cannot be read for certain is refused by that line.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

DELIMITERS = ",;\t"
# What pandas, R and spreadsheets write where there is no value; "none" in small letters is a word.
MISSING = frozenset(
    ("", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "-nan", "-NaN", "None", "NULL", "null")
)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class CsvTable:
    """Rows of a CSV below its header; rows without any text are left out.

    Attributes
    ----------
    names : list of str
        The header; empty for an empty file.
    rows : list of list of str
        Blanks at both ends of a cell are removed; a row may be shorter or longer than the header.
    lines : list of int
        Line of the file that each row begins on, counted from 1.
    """

    names: list[str]
    rows: list[list[str]]
    lines: list[int]


def read_csv(path: Path) -> CsvTable:
    """Read a CSV with a header, separated by commas, semicolons or tabs.

    Parameters
    ----------
    path : Path
        An existing file.

    Raises
    ------
    ValueError
        If it is not UTF-8, a quote is not closed, text follows a closed one in its cell, or the
        header names a column twice.
    """
    text = read_text(path)
    lines = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=find_delimiter(text),
        skipinitialspace=True,
        strict=True,
    )
    table, line = CsvTable([], [], []), 1
    try:
        for cells in lines:
            cells = [cell.strip() for cell in cells]
            if not table.names:
                table.names.extend(cells)
            elif any(cells):
                table.rows.append(cells)
                table.lines.append(line)
            line = lines.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{path} line {line} must close every quote that it opens and end the cell there, "
            f'got {error}. Close the quote, or write " inside text as "".'
        ) from None
    twice = sorted({name for name in table.names if name and table.names.count(name) > 1})
    if twice:
        raise ValueError(
            f"{path} must name each column once, got {', '.join(twice)} twice. Rename one."
        )
    return table


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without a byte order mark.

    Parameters
    ----------
    path : Path
        An existing file.

    Raises
    ------
    ValueError
        Names the file and the coding that its bytes look like.
    """
    data = path.read_bytes()
    found = "UTF-16" if data.startswith(_UTF_16) or b"\0" in data[:2] else None
    if found is None:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            found = f"the byte {data[error.start]:#04x} in line {line}, as in Latin-1"
    raise ValueError(f"{path} must be UTF-8 text, got {found}. Save it as CSV UTF-8.")


def find_delimiter(text: str) -> str:
    """Tell what separates the cells of a CSV.

    The first of `DELIMITERS` that splits the header and the row after it into as many cells, more
    than one; else the one that the header holds most of.

    Parameters
    ----------
    text : str
        Of the whole file.
    """
    counts = {}
    for delimiter in DELIMITERS:
        lines = csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter)
        try:
            counts[delimiter] = header, row = len(next(lines, [])), len(next(lines, []))
        except csv.Error:  # told by `read_csv`, with its line
            counts[delimiter] = 0, 0
            continue
        if header == row > 1:
            return delimiter
    return max(DELIMITERS, key=lambda delimiter: counts[delimiter][0])
