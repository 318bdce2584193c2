"""CSV files of recordings as columns, with messages that name file, line and column.

Enters: the path of a CSV. Leaves: `Table`, text columns and their conversion to numbers. Next:
`readers`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Table:
    """A CSV in memory.

    Attributes
    ----------
    source : str
        Name of the file, for messages.
    columns : dict of str to list of str
        Text of each column; short rows are filled with "".
    line_numbers : list of int
        Line of the file that each row stood on, counted from 1.
    """

    source: str
    columns: dict[str, list[str]]
    line_numbers: list[int]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.line_numbers)

    def require(self, *names: str) -> None:
        """Refuse a table that lacks one of the columns.

        Raises
        ------
        ValueError
            Names the missing columns and those that are there.
        """
        missing = [name for name in names if name not in self.columns]
        if missing:
            raise ValueError(
                f"{self.source} must have the columns {', '.join(names)}, got "
                f"{', '.join(self.columns) or 'none'}. Add or rename {', '.join(missing)}."
            )

    def text(self, name: str) -> np.ndarray:
        """Return a column as text, [N], blanks at both ends removed."""
        return np.array([value.strip() for value in self.columns[name]], dtype=str)

    def numbers(self, name: str) -> np.ndarray:
        """Return a column as float64, [N]; an empty cell or "nan" becomes NaN.

        Raises
        ------
        ValueError
            Names file, line and column of a cell that is no number.
        """
        out = np.full(len(self), np.nan)
        for row, value in enumerate(self.columns[name]):
            if value.strip():
                try:
                    out[row] = float(value)
                except ValueError:
                    raise ValueError(
                        f"{name} in {self.source} line {self.line_numbers[row]} must be a number, "
                        f"got {value!r}. Correct or empty the cell."
                    ) from None
        return out

    def unused(self, *used: str) -> tuple[str, ...]:
        """Return the columns that are not among `used`."""
        return tuple(name for name in self.columns if name not in used)


def read_table(path: str | Path) -> Table:
    """Read a CSV with a header line.

    Raises
    ------
    FileNotFoundError
        Where the file does not exist.
    ValueError
        Where it has no header or names a column twice.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"recording must be an existing file, got {path}. Check the path.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        header = [name.strip() for name in next(lines, [])]
        if not header:
            raise ValueError(f"{path} must have a header line, got an empty file. Add its columns.")
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise ValueError(
                f"{path} must name each column once, got {', '.join(twice)} twice. Rename one."
            )
        columns: dict[str, list[str]] = {name: [] for name in header}
        line_numbers: list[int] = []
        for line in lines:
            if any(cell.strip() for cell in line):
                cells = line + [""] * (len(header) - len(line))
                for name, cell in zip(header, cells, strict=False):
                    columns[name].append(cell)
                line_numbers.append(lines.line_num)
    return Table(str(path), columns, line_numbers)
