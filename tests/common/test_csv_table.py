"""One reader for every CSV: separators, quotes and codings, and each room that reads through it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gca_dali import Manifest
from gca_dali.common.csv_table import read_csv
from gca_dali.gaze.boxes import read_boxes_csv
from gca_dali.gaze.readers import read_fixations
from gca_dali.gaze.tables import read_table
from make_images import put_images

Read = Callable[[Path], object]
COLUMNS = ["path", "image", "x", "y", "w", "h", "duration", "id", "note"]
CELLS = ["a.png", "a", "1", "2", "1", "1", "0.3", "r", "fine"]
READERS: dict[str, Read] = {
    "list": lambda path: Manifest.from_csv(path),
    "labels": lambda path: Manifest.from_folder(path.parent, labels=path),
    "boxes": lambda path: read_boxes_csv(path, Manifest.from_folder(path.parent)),
    "gaze": lambda path: read_fixations(path),
    "sheet": lambda path: read_table(path).text("id"),
}
each_reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)


def write(folder: Path, *rows: list[str], delimiter: str = ",", coding: str = "utf-8") -> Path:
    put_images(folder, "a.png", "b.png")
    text = "".join(delimiter.join(row) + "\n" for row in rows)
    (folder / "t.csv").write_bytes(text.encode(coding))
    return folder / "t.csv"


@each_reader
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", ", "])
def test_separators_and_quotes_are_recognised(tmp_path, read, delimiter, quoted):
    rows = [[f'"{cell}"' if quoted else cell for cell in row] for row in (COLUMNS, CELLS)]
    read(write(tmp_path, *rows, delimiter=delimiter))


@each_reader
@pytest.mark.parametrize("cell", ['"6 mm nodule', '"6 mm" nodule'])
def test_a_quote_without_an_end_is_refused_by_its_line(tmp_path, read, cell):
    path = write(tmp_path, COLUMNS, CELLS, [*CELLS[:-1], cell], CELLS, CELLS)
    with pytest.raises(ValueError, match=r"t\.csv line 3 must close every quote that it opens"):
        read(path)


@each_reader
@pytest.mark.parametrize(
    ("coding", "words"),
    [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("latin-1", "0xfc in line 3, as in Latin-1")],
)
def test_other_codings_are_named_with_the_file(tmp_path, read, coding, words):
    path = write(tmp_path, COLUMNS, CELLS, [*CELLS[:-1], "für"], coding=coding)
    with pytest.raises(ValueError, match=rf"t\.csv must be UTF-8 text, got .*{words}") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_rows_know_their_lines(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('\ufeff\r\na,b\r\n\r\n1,"two\r\nlines, ""quoted"""\r\n,\r\n3\r\n4,5,6\r\n')
    table = read_csv(path)
    assert table.names == ["a", "b"]
    assert table.rows == [["1", 'two\r\nlines, "quoted"'], ["3"], ["4", "5", "6"]]
    assert table.lines == [4, 7, 8]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("path;x\na.png;1,5\n", [["a.png", "1,5"]]),
        ("path,notes;of;readers\na.png,fine\n", [["a.png", "fine"]]),
        ("path\tx, y\na.png\t1\n", [["a.png", "1"]]),
        ("path\na;b.png\n", [["a;b.png"]]),
        ("path;x\na.png\n", [["a.png"]]),
    ],
)
def test_the_separator_is_that_of_header_and_rows(tmp_path, text, rows):
    (tmp_path / "t.csv").write_text(text)
    assert read_csv(tmp_path / "t.csv").rows == rows


def test_a_cell_too_many_is_refused_by_its_line(tmp_path):
    path = write(tmp_path, COLUMNS, CELLS, [*CELLS, "more"])
    with pytest.raises(ValueError, match="line 3 must have at most the 9 cells of the header"):
        read_table(path)
    assert len(read_table(write(tmp_path, COLUMNS, [*CELLS, ""]))) == 1
