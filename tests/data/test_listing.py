"""Text of a CSV as labels and typed columns."""

from __future__ import annotations

import numpy as np
import pytest

from gca_dali.data.index import find_outside
from gca_dali.data.listing import code_labels, read_listing, sort_names, type_column


@pytest.mark.parametrize(
    ("texts", "labels", "classes"),
    [
        (["2", "0", ""], [2, 0, -1], ("0", "1", "2")),
        (["2.0", "0.0", ""], [2, 0, -1], ("0", "1", "2")),
        (["-1", "1"], [-1, 1], ("0", "1")),
        (["sick", "", "well", "sick"], [0, -1, 1, 0], ("sick", "well")),
        (["1", "sick"], [0, 1], ("1", "sick")),
        (["1_0", "2"], [0, 1], ("1_0", "2")),
        (["", ""], [-1, -1], ()),
        (["10", "NA", "2", "NaN", "nan"], [10, -1, 2, -1, -1], tuple(map(str, range(11)))),
        (["1.0", "None", "0", "NULL", "n/a"], [1, -1, 0, -1, -1], ("0", "1")),
        (["sick", "NA", "well"], [0, -1, 1], ("sick", "well")),
        (["none", "mild"], [1, 0], ("mild", "none")),
        (["NA", "nan"], [-1, -1], ()),
        ([], [], ()),
    ],
)
def test_labels_are_numbers_or_names(texts, labels, classes):
    found, names = code_labels(texts)
    assert found.tolist() == labels
    assert found.dtype == np.int64
    assert names == classes


@pytest.mark.parametrize("text", ["-2", "65536"])
def test_numbers_that_are_no_class_index_are_refused(text):
    with pytest.raises(ValueError, match=f"label must be a name or a class index .* got {text}"):
        code_labels(["0", text])


def test_names_are_sorted_by_value_only_if_all_are_numbers():
    assert sort_names(["10", "2", "10"]) == ("2", "10")
    assert sort_names(["10", "2", "x"]) == ("10", "2", "x")


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1", "-20", "0"], "i"),
        (["1.5", "2", "-3e4"], "f"),
        (["007", "8"], "U"),
        (["00.5", "8"], "U"),
        (["1", ""], "f"),
        (["1", "NA", "2.5", "NaN"], "f"),
        (["NA", "", "nan"], "U"),
        (["1", "none"], "U"),
        (["9" * 16, "NA"], "U"),
        (["1_0", "2"], "U"),
        (["nan", "1"], "f"),
        (["9" * 19], "f"),
        ([], "U"),
    ],
)
def test_only_plain_numbers_become_numbers(texts, kind):
    values = type_column(texts)
    assert values.dtype.kind == kind
    if kind == "U":
        assert values.tolist() == texts


def test_absolute_paths_below_a_root_that_is_written_through_a_link(tmp_path):
    folder, link = tmp_path / "disk/data", tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    link.symlink_to(folder)
    (folder / "images/c.png").symlink_to(tmp_path / "elsewhere.png")
    for root, other in ((link, folder), (folder, link)):
        csv = folder / "list.csv"
        lines = [f"{other}/images/a.png", "images/b.png", f"{other}/images/c.png", f"{root}/d.png"]
        lines += [f"{other}/images/../images/a.png", str(tmp_path / "elsewhere.png")]
        csv.write_text("path\n" + "\n".join(lines) + "\n")
        listing = read_listing(csv, root)
        outside = "../../elsewhere.png"
        assert listing.paths == ("images/a.png", "images/b.png", "images/c.png", "d.png", outside)
        assert [item.reason[:12] for item in listing.refused] == ["listed twice"]
        assert list(find_outside(root, listing.paths)) == ["images/c.png", outside]
