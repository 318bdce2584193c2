"""Index the real X-rays: labels, splits, depths, harmless faults, and what must be refused."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from gca_dali.cli.main import app
from gca_dali.data.manifest import Manifest


@pytest.fixture(scope="module")
def knees(shared_data) -> Manifest:
    return Manifest.from_csv(shared_data / "knee" / "labels.csv")


def test_knee_table_is_kept(knees, shared_data):
    assert len(knees) == 7_434
    assert knees.refused == ()
    assert knees.classes == ("0", "1", "2", "3", "4")
    assert len(knees.where(split="train")) == 5_778
    assert len(knees.where(split="test")) == 1_656
    assert set(knees.height.tolist()) == set(knees.width.tolist()) == {224}
    assert set(knees.bits.tolist()) == {8}
    assert set(knees.format.tolist()) == {"jpeg"}
    with open(shared_data / "knee" / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert knees.path.tolist() == [row["path"] for row in rows]
    assert knees.label.tolist() == [int(row["label"]) for row in rows]
    assert knees.patient.tolist() == [row["patient"] for row in rows]
    for name in ("split", "side"):
        assert knees.columns[name].tolist() == [row[name] for row in rows]


def test_knee_patients_are_in_one_split_only(knees):
    train, test = (set(knees.where(split=name).patient.tolist()) for name in ("train", "test"))
    assert train.isdisjoint(test)


def test_knee_folders_give_the_same_labels_as_the_table(knees, shared_data):
    folder = Manifest.from_folder(shared_data / "knee")
    assert folder.classes == knees.classes
    by_file = dict(zip(knees.files, knees.label.tolist(), strict=True))
    assert [by_file[file] for file in folder.files] == folder.label.tolist()
    split = dict(zip(knees.files, knees.columns["split"].tolist(), strict=True))
    assert [split[file] for file in folder.files] == folder.columns["split"].tolist()


def test_knee_manifest_survives_saving(knees, tmp_path):
    knees.save(tmp_path / "knee.parquet")
    opened = Manifest.open(tmp_path / "knee.parquet")
    assert opened.fingerprint == knees.fingerprint
    assert opened.files == knees.files


def test_dental_folder(shared_data):
    manifest = Manifest.open(shared_data / "dental")
    assert len(manifest) == 450
    assert manifest.refused == ()
    assert set(manifest.height.tolist()) == set(manifest.width.tolist()) == {640}
    assert manifest.classes == (), "one folder of images is no class"


def test_chest_originals_with_harmless_faults_are_accepted(shared_data):
    manifest = Manifest.from_folder(shared_data / "chest")
    assert manifest.refused == ()
    formats, counts = np.unique(manifest.format, return_counts=True)
    assert dict(zip(formats.tolist(), counts.tolist(), strict=True)) == {"jpeg": 18, "png": 5}
    png = manifest.where(format="png")
    assert set(png.height.tolist()) == set(png.width.tolist()) == {1024}


def test_sizes_and_names_of_chest_and_formats(shared_data):
    manifest = Manifest.from_csv(shared_data / "chest_and_formats.csv")
    assert len(manifest) == 29
    assert manifest.refused == ()
    assert manifest.height.tolist() == manifest.columns["listed_height"].tolist()
    assert manifest.width.tolist() == manifest.columns["listed_width"].tolist()
    assert set(manifest.classes) >= {"NORMAL"}


def test_bit_depths_are_recorded(shared_data):
    manifest = Manifest.from_folder(shared_data / "formats")
    assert manifest.refused == ()
    for path, bits in zip(manifest.path.tolist(), manifest.bits.tolist(), strict=True):
        assert bits == (16 if "16." in path else 8), path
    assert (manifest.bits == 16).sum() == 4


def test_dicom_headers_agree_with_their_table(shared_data):
    pytest.importorskip("pydicom")
    manifest = Manifest.from_csv(shared_data / "dicom" / "manifest.csv", shared_data)
    with open(shared_data / "dicom" / "manifest.csv", newline="") as file:
        listed = {row["path"]: row for row in csv.DictReader(file)}
    refused = {item.path: item.reason for item in manifest.refused}
    # The marker fault of the last one is seen by the index: it cannot be read.
    assert set(refused) == {
        "dicom/edge/ct_no_meta.dcm",
        "dicom/edge/mr_truncated.dcm",
        "dicom/wg04_RG2_hip_JPLY.dcm",
    }
    assert "without its file header" in refused["dicom/edge/ct_no_meta.dcm"]
    assert "cut short at 8130 of 8192 bytes" in refused["dicom/edge/mr_truncated.dcm"]
    assert set(manifest.path.tolist()) | set(refused) == set(listed)
    assert set(manifest.format.tolist()) == {"dicom"}
    for row, path in enumerate(manifest.path.tolist()):
        assert manifest.height[row] == int(listed[path]["rows"]), path
        assert manifest.width[row] == int(listed[path]["cols"]), path
        assert manifest.bits[row] == int(listed[path]["bits_stored"]), path


def test_command_names_the_refused_dicom_files(shared_data):
    pytest.importorskip("pydicom")
    result = CliRunner().invoke(app, ["index", str(shared_data / "dicom"), "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["rows"] == 18
    assert [item["path"] for item in found["refused"]] == [
        "edge/ct_no_meta.dcm",
        "edge/mr_truncated.dcm",
        "wg04_RG2_hip_JPLY.dcm",
    ]
