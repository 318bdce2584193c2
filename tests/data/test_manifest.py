"""Manifests from folders and CSVs: rows, labels, and what is refused with which reason."""

from __future__ import annotations

import os

import numpy as np
import pytest

from gca_dali.data.manifest import Manifest, Refused
from make_images import encode, put_csv, put_images

# From a folder


def test_folder_gives_sorted_rows_with_measured_columns(tmp_path):
    put_images(tmp_path, "b.png", "a.png")
    (tmp_path / "deep.png").write_bytes(encode(np.full((2, 7), 40_000, np.uint16), "PNG"))
    (tmp_path / "note.png").write_text("not an image")
    manifest = Manifest.from_folder(tmp_path)
    assert manifest.path.tolist() == ["a.png", "b.png", "deep.png"]
    assert manifest.height.tolist() == [3, 3, 2]
    assert manifest.width.tolist() == [5, 5, 7]
    assert manifest.bits.tolist() == [8, 8, 16]
    assert manifest.format.tolist() == ["png"] * 3
    assert manifest.label.tolist() == [-1] * 3
    assert manifest.patient.tolist() == [""] * 3
    assert manifest.num_bytes[0] == (tmp_path / "a.png").stat().st_size
    assert [item.path for item in manifest.refused] == ["note.png"]
    assert manifest.files == [str(tmp_path / path) for path in ("a.png", "b.png", "deep.png")]
    kinds = {"height": "int32", "width": "int32", "bits": "int16", "label": "int64"}
    assert {name: str(getattr(manifest, name).dtype) for name in kinds} == kinds


@pytest.mark.parametrize(
    ("paths", "labels", "classes", "splits"),
    [
        (["cat/1.png", "dog/1.png", "dog/2.png"], [0, 1, 1], ("cat", "dog"), None),
        (["10/1.png", "2/1.png"], [10, 2], tuple(map(str, range(11))), None),
        (
            ["test/0/1.png", "train/0/1.png", "train/4/1.png"],
            [0, 0, 4],
            ("0", "1", "2", "3", "4"),
            ["test", "train", "train"],
        ),
        (["x/train/cat/1.png", "x/val/dog/1.png"], [0, 1], ("cat", "dog"), ["train", "val"]),
        (["test/1.png", "train/1.png"], [-1, -1], (), ["test", "train"]),
        (["images/1.png", "images/2.png"], [-1, -1], (), None),
        (["1.png", "cat/1.png", "dog/1.png"], [-1] * 3, (), None),
        (["cat/1.png", "dog/old/1.png"], [-1, -1], (), None),
        (["9001695/1.png", "9001897/1.png"], [0, 1], ("9001695", "9001897"), None),
    ],
)
def test_folders_mean_split_and_label_where_all_images_lie_equally_deep(
    tmp_path, paths, labels, classes, splits
):
    manifest = Manifest.from_folder(put_images(tmp_path, *paths))
    assert manifest.path.tolist() == paths
    assert manifest.label.tolist() == labels
    assert manifest.classes == classes
    found = manifest.columns.get("split")
    assert (None if found is None else found.tolist()) == splits


def test_missing_folder_is_an_error_of_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"root must be an existing folder, got .*nowhere"):
        Manifest.from_folder(tmp_path / "nowhere")


def test_folder_without_a_readable_image_says_what_was_found(tmp_path):
    with pytest.raises(
        ValueError, match="root must hold at least one readable image, got none of 0"
    ):
        Manifest.from_folder(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"got none of 1 in .*the first: a\.png: empty file"):
        Manifest.from_folder(tmp_path)


def test_link_out_of_the_folder_is_followed_only_on_demand(tmp_path):
    root = put_images(tmp_path / "root", "a.png")
    put_images(tmp_path, "secret.png")
    (root / "b.png").symlink_to(tmp_path / "secret.png")
    manifest = Manifest.from_folder(root)
    assert manifest.path.tolist() == ["a.png"]
    assert "allow_outside=True" in manifest.refused[0].reason
    assert len(Manifest.from_folder(root, allow_outside=True)) == 2


def test_folder_with_labels_from_a_csv_elsewhere(tmp_path):
    root = put_images(tmp_path / "xrays", "1/a.png", "1/b.png", "2/c.png")
    csv = put_csv(
        tmp_path / "tables",
        "path,label,patient,side\n"
        "../xrays/2/c.png,sick,P3,L\n"
        "../xrays/1/../1/a.png,well,P1,R\n"
        "../xrays/gone.png,well,P9,R\n",
    )
    manifest = Manifest.from_folder(root, labels=csv)
    assert manifest.path.tolist() == ["1/a.png", "1/b.png", "2/c.png"]
    assert manifest.classes == ("sick", "well")
    assert manifest.label.tolist() == [1, -1, 0]
    assert manifest.patient.tolist() == ["P1", "", "P3"]
    assert manifest.columns["side"].tolist() == ["R", "", "L"]
    (refused,) = manifest.refused
    assert refused.path == "../xrays/gone.png"
    assert "listed in the labels" in refused.reason


def test_bad_image_that_is_also_listed_is_named_once(tmp_path):
    root = put_images(tmp_path, "a.png")
    (root / "b.png").write_bytes(b"")
    csv = put_csv(root, "path,label\na.png,1\nb.png,2\n")
    manifest = Manifest.from_folder(root, labels=csv)
    assert manifest.refused == (Refused("b.png", "empty file"),)


# From a CSV


def test_csv_keeps_its_order_and_all_its_columns(tmp_path):
    put_images(tmp_path, "b.png", "sub/a.png")
    csv = put_csv(
        tmp_path,
        "\ufeffpath, label,split,patient,side,age,weight,code,height\n"
        "sub/a.png,3,train,007,L,61,70.5,01,800\n"
        "./b.png,,test,12,,58,80,02,900\n",
    )
    manifest = Manifest.from_csv(csv)
    assert manifest.path.tolist() == ["sub/a.png", "b.png"]
    assert manifest.label.tolist() == [3, -1]
    assert manifest.classes == ("0", "1", "2", "3")
    assert manifest.patient.tolist() == ["007", "12"], "identifiers stay text"
    columns = {name: values.tolist() for name, values in manifest.columns.items()}
    assert columns == {
        "split": ["train", "test"],
        "side": ["L", ""],
        "age": [61, 58],
        "weight": [70.5, 80.0],
        "code": ["01", "02"],
        "listed_height": [800, 900],
    }
    assert manifest.height.tolist() == [3, 3], "the file is believed, not the table"


def test_csv_with_a_root_of_its_own(tmp_path):
    put_images(tmp_path / "xrays", "a.png")
    csv = put_csv(tmp_path / "tables", "path\na.png\n")
    assert Manifest.from_csv(csv, tmp_path / "xrays").files == [str(tmp_path / "xrays" / "a.png")]


def test_bad_rows_are_refused_with_their_reason(tmp_path):
    put_images(tmp_path, "a.png", "b.png")
    put_images(tmp_path.parent, "outside.png")
    (tmp_path / "text.png").write_text("text")
    csv = put_csv(
        tmp_path,
        "path,label\na.png,0\nmissing.png,1\na.png,1\n./a.png,1\nb.png\n,1\n\n"
        'text.png,1\n../outside.png,1\n/etc/passwd,1\n"nul\0.png",1\n',
    )
    manifest = Manifest.from_csv(csv)
    assert manifest.path.tolist() == ["a.png"]
    told = [(item.path, item.reason) for item in manifest.refused]
    outside = "leads out of the root folder; allow_outside=True (--allow-outside) lets it"
    assert [path for path, _ in told] == [
        "a.png",
        "a.png",
        "b.png",
        "''",
        r"'nul\x00.png'",
        "missing.png",
        "text.png",
        "../outside.png",
        os.path.relpath("/etc/passwd", tmp_path),
    ]
    reasons = [reason for _, reason in told]
    assert reasons[:4] == [
        "listed twice, in lines 2 and 4; the first one counts",
        "listed twice, in lines 2 and 5; the first one counts",
        "line 6 has 1 fields, the header 2",
        "line 7 has no usable path",
    ]
    assert reasons[5] == "no such file"
    assert reasons[7:] == [outside, outside]


def test_csv_without_a_path_column_names_the_columns(tmp_path):
    csv = put_csv(tmp_path, "file,label\na.png,1\n")
    with pytest.raises(ValueError, match="column named path, got the columns file, label in"):
        Manifest.from_csv(csv)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "got the columns none"),
        (b"path,label,label\na.png,1,2\n", "csv must name each column once"),
        (b"path\n\xff\xfe\n", "csv must be UTF-8 text"),
        (b"path\n", "root must hold at least one readable image, got none of 0"),
        (b"path\nmissing.png\n", r"the first: missing\.png: no such file"),
    ],
)
def test_csv_that_gives_nothing_is_an_error_of_one_line(tmp_path, data, words):
    csv = tmp_path / "table.csv"
    csv.write_bytes(data)
    with pytest.raises(ValueError, match=words) as caught:
        Manifest.from_csv(csv)
    assert "\n" not in str(caught.value)


def test_missing_csv(tmp_path):
    with pytest.raises(FileNotFoundError, match="csv must be an existing file"):
        Manifest.from_csv(tmp_path / "table.csv")


def test_gaps_leave_numbers_and_patients_as_they_are(tmp_path):
    put_images(tmp_path, "a.png", "b.png", "c.png")
    text = "path,label,patient,age,ward\na.png,10,7,41,x\nb.png,NA,NA,NA,NA\nc.png,2,nan,63.5,y\n"
    manifest = Manifest.from_csv(put_csv(tmp_path, text))
    assert manifest.label.tolist() == [10, -1, 2]
    assert manifest.patient.tolist() == ["7", "", ""]
    np.testing.assert_array_equal(manifest.columns["age"], [41, np.nan, 63.5])
    assert manifest.columns["ward"].tolist() == ["x", "NA", "y"]
    assert manifest.where(age="41").path.tolist() == ["a.png"]


@pytest.mark.parametrize("header", ["path,split,label", "Path,Split,Label"])
def test_a_split_is_read_whatever_the_case_of_its_letters(tmp_path, header):
    put_images(tmp_path, "a.png", "b.png", "c.png")
    csv = put_csv(tmp_path, f"{header}\na.png,Train,1\nb.png,TEST,0\nc.png,Ward,0\n")
    manifest = Manifest.from_csv(csv)
    assert manifest.columns["split"].tolist() == ["train", "test", "Ward"]
    assert manifest.label.tolist() == [1, 0, 0]
    for name in ("train", "Train"):
        assert manifest.where(split=name).path.tolist() == ["a.png"]
    assert manifest.where(split=["Ward", "test"]).path.tolist() == ["b.png", "c.png"]


def test_folders_name_splits_in_any_case(tmp_path):
    put_images(tmp_path, "Train/0/a.png", "Test/1/b.png")
    manifest = Manifest.from_folder(tmp_path)
    assert manifest.columns["split"].tolist() == ["test", "train"]
    put_images(tmp_path / "flat", "Train/a.png", "Test/b.png")
    assert Manifest.from_folder(tmp_path / "flat").classes == ()


def test_paths_of_windows_are_found(tmp_path):
    put_images(tmp_path, "x/a.png", "x/b.png", "x\\c.png")
    rows = "x\\a.png,1\nx/a.png,2\n.\\x\\b.png,3\nx\\c.png,4\nx\\d.png,5\n"
    manifest = Manifest.from_csv(put_csv(tmp_path, "path,label\n" + rows))
    assert manifest.path.tolist() == ["x/a.png", "x/b.png", "x\\c.png"]
    assert manifest.label.tolist() == [1, 3, 4]
    twice, missing = manifest.refused
    assert twice.path == "x/a.png" and "listed twice, in lines 2 and 3" in twice.reason
    assert missing.path == "x/d.png" and missing.reason == "no such file"
