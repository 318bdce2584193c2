"""Manifests kept in files: round trips, moved folders, and files that are not to be trusted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gca_dali.data.manifest import Manifest
from make_images import make_rows, put_csv, put_images


def make_labelled(folder: Path) -> Manifest:
    put_images(folder, "a.png", "b.png")
    (folder / "bad.png").write_bytes(b"")
    text = (
        "path,label,patient,split,age\nb.png,sick,P1,train,61\na.png,well,P2,test,58\nbad.png,,,,\n"
    )
    return Manifest.from_csv(put_csv(folder, text))


def test_saved_manifest_is_the_same_manifest(tmp_path):
    manifest = make_labelled(tmp_path / "xrays")
    manifest.save(tmp_path / "manifest.parquet")
    opened = Manifest.open(tmp_path / "manifest.parquet")
    assert opened.fingerprint == manifest.fingerprint
    assert opened.files == manifest.files
    assert opened.refused == manifest.refused
    assert opened.classes == ("sick", "well")
    for name, values in manifest.all_columns().items():
        assert opened.all_columns()[name].dtype.kind == values.dtype.kind, name
    assert not list(tmp_path.glob("*.partial"))


def test_empty_selection_can_be_saved(tmp_path):
    make_labelled(tmp_path).take([]).save(tmp_path / "none.parquet")
    assert len(Manifest.open(tmp_path / "none.parquet")) == 0


def test_manifest_and_images_move_together(tmp_path):
    make_labelled(tmp_path / "here" / "xrays").save(tmp_path / "here" / "manifest.parquet")
    shutil.move(tmp_path / "here", tmp_path / "there")
    opened = Manifest.open(tmp_path / "there" / "manifest.parquet")
    assert all(Path(file).is_file() for file in opened.files)
    shutil.move(tmp_path / "there" / "xrays", tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="Pass root= if the images have moved"):
        Manifest.open(tmp_path / "there" / "manifest.parquet")
    opened = Manifest.open(tmp_path / "there" / "manifest.parquet", root=tmp_path / "elsewhere")
    assert all(Path(file).is_file() for file in opened.files)


def test_open_takes_a_folder_a_csv_or_a_saved_manifest(tmp_path):
    manifest = make_labelled(tmp_path)
    manifest.save(tmp_path / "manifest.parquet")
    assert len(Manifest.open(tmp_path)) == 2
    assert Manifest.open(str(tmp_path / "table.csv")).fingerprint == manifest.fingerprint
    assert Manifest.open(tmp_path / "manifest.parquet").fingerprint == manifest.fingerprint


def test_open_of_anything_else_says_what_is_allowed(tmp_path):
    with pytest.raises(FileNotFoundError, match="source must be an existing folder, CSV or man"):
        Manifest.open(tmp_path / "nowhere")
    with pytest.raises(
        FileNotFoundError, match=r"source must be an existing file, got .*x\.parquet"
    ):
        Manifest.open(tmp_path / "x.parquet")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"source must be a folder, a \.csv or a \.parquet"):
        Manifest.open(tmp_path / "notes.txt")


def test_save_wants_a_parquet_in_an_existing_folder(tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.parquet"):
        make_rows().save(tmp_path / "manifest.csv")
    with pytest.raises(FileNotFoundError, match="path must lie in an existing folder"):
        make_rows().save(tmp_path / "nowhere" / "manifest.parquet")


def test_saved_manifest_cannot_lead_out_of_its_root(tmp_path):
    root = put_images(tmp_path / "root", "a.png")
    put_images(tmp_path, "secret.png")
    make_rows(root=root, path=["a.png", "../secret.png"], allow_outside=True).save(
        tmp_path / "name.parquet"
    )
    (root / "b.png").symlink_to(tmp_path / "secret.png")
    make_rows(root=root).save(tmp_path / "link.parquet")
    for name, path in (("name", "../secret.png"), ("link", "b.png")):
        with pytest.raises(ValueError, match=f"path must stay below the root .* got {path}"):
            Manifest.open(tmp_path / f"{name}.parquet")
        assert len(Manifest.open(tmp_path / f"{name}.parquet", allow_outside=True)) == 2


def rewrite(path: Path, change) -> None:
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"gca_dali.manifest"])
    table = change(table, about)
    pq.write_table(
        table.replace_schema_metadata({b"gca_dali.manifest": json.dumps(about).encode()}), path
    )


def nested(table, about):
    return table.append_column("boxes", pa.array([[1], [2]]))


def gap(table, about):
    return table.append_column("age", pa.array([1, None]))


def lost(table, about):
    return table.drop_columns(["width"])


def rootless(table, about):
    del about["root"]
    return table


def future(table, about):
    about["version"] = 99
    return table


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (nested, "source must be a manifest saved by gca_dali, got .*TypeError"),
        (gap, "source must be a manifest saved by gca_dali"),
        (lost, "source must be a manifest saved by gca_dali"),
        (rootless, "source must be a manifest saved by gca_dali"),
        (future, "source must be a manifest of version 1, got version 99"),
    ],
)
def test_changed_parquet_is_refused(tmp_path, change, words):
    path = tmp_path / "manifest.parquet"
    make_rows(root=tmp_path).save(path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=words):
        Manifest.open(path)


def test_foreign_parquet_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    for data in (b"", b"PAR1 not really PAR1"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="source must be a manifest saved by gca_dali"):
            Manifest.open(path)
    pq.write_table(pa.table({"path": ["a.png"]}), path)
    with pytest.raises(ValueError, match="source must be a manifest saved by gca_dali"):
        Manifest.open(path)


@pytest.mark.parametrize("through", ["link", "folder"])
def test_a_folder_behind_a_link_finds_its_images(through, phantoms, tmp_path):
    (tmp_path / "real/deep/project").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/project").symlink_to(tmp_path / "real/deep/project")
    shutil.copytree(phantoms / "images", tmp_path / "real/xrays")
    names = {"link": tmp_path / "home/project", "folder": tmp_path / "real/deep/project"}
    other = names["folder" if through == "link" else "link"]
    manifest = Manifest.from_folder(names[through] / "../../xrays")
    manifest.save(names[through] / "m.parquet")
    for opened in (manifest, Manifest.open(other / "m.parquet")):
        assert all(Path(file).is_file() for file in opened.files)
        assert opened.file_of(0) == opened.files[0]
