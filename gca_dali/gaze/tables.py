"""CSV files of recordings as columns, with messages that name file, line and column.

Enters: the path of a CSV. Leaves: `Table`, text columns and their conversion to numbers. Next:
`readers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gca_dali.common.csv_table import MISSING, read_csv


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
        Line of the file that each row begins on, counted from 1.
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
        """Return a column as text, [N]."""
        return np.array(self.columns[name], dtype=str)

    def numbers(self, name: str) -> np.ndarray:
        """Return a column as float64, [N]; a cell that is empty or says `MISSING` becomes NaN.

        Raises
        ------
        ValueError
            Names file, line and column of a cell that is no number.
        """
        out = np.full(len(self), np.nan)
        for row, value in enumerate(self.columns[name]):
            if value not in MISSING:
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
        Where it has no header, a row is longer than the header, or `read_csv` refuses it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"recording must be an existing file, got {path}. Check the path.")
    found = read_csv(path)
    if not found.names:
        raise ValueError(f"{path} must have a header line, got an empty file. Add its columns.")
    num_columns = len(found.names)
    for line, cells in zip(found.lines, found.rows, strict=True):
        if any(cells[num_columns:]):
            raise ValueError(
                f"{path} line {line} must have at most the {num_columns} cells of the header, got "
                f"{len(cells)}. Quote a cell that holds the separator, or name every column."
            )
        cells += [""] * (num_columns - len(cells))
    named = [(i, name) for i, name in enumerate(found.names) if name]
    columns = {name: [cells[i] for cells in found.rows] for i, name in named}
    return Table(str(path), columns, found.lines)
