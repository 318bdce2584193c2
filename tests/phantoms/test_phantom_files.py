"""Phantoms written to a folder, and what is refused."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.map_folder import MapFolder
from gca_dali.gaze.readers.generic import read_generic
from gca_dali.phantoms import make_phantom, phantom_saliency, write_phantoms
from gca_dali.phantoms.texture import KINDS


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("bits", [8, 16])
def test_written_files_agree(tmp_path, bits):
    folder = write_phantoms(
        tmp_path / "phantoms", 22, kind="mixed", seed=9, height=96, width=128, bits=bits
    )
    assert folder == tmp_path / "phantoms"
    labels = read_rows(folder / "labels.csv")
    assert [row["kind"] for row in labels[:4]] == ["knee", "chest", "knee", "chest"]
    assert {p.relative_to(folder).as_posix() for p in folder.glob("images/*")} == {
        row["path"] for row in labels
    }
    maps = MapFolder.open(folder / "maps")
    assert maps.simulated
    assert maps.facts["sigma"] == 0.05
    assert maps.facts["source"] == "phantoms"
    assert set(maps.files) == {row["path"] for row in labels}
    boxes, fixations = read_rows(folder / "boxes.csv"), read_rows(folder / "fixations.csv")
    for place, row in enumerate(labels):
        phantom = make_phantom(
            KINDS[place % 2], place // 2, seed=9, height=96, width=128, bits=bits
        )
        stored = np.asarray(Image.open(folder / row["path"]))
        assert stored.dtype == phantom.image.dtype
        assert np.array_equal(stored, phantom.image)
        assert int(row["label"]) == phantom.label
        mine = [box for box in boxes if box["path"] == row["path"]]
        table = np.array([[float(box[k]) for k in "yxhw"] for box in mine]).reshape(-1, 4)
        np.testing.assert_allclose(table, phantom.boxes, atol=1e-3)
        assert tuple(box["label"] for box in mine) == phantom.lesions
        assert all(box["is_abnormality"] == "1" for box in mine)
        gaze = [
            [float(fixation[k]) for k in ("y", "x", "duration")]
            for fixation in fixations
            if fixation["image"] == row["path"]
        ]
        np.testing.assert_allclose(gaze, phantom.fixations, atol=1e-3)
        np.testing.assert_allclose(maps.load(row["path"]), phantom_saliency(phantom), atol=1e-6)


def test_splits_keep_patients_apart(tmp_path):
    labels = read_rows(
        write_phantoms(tmp_path, 20, kind="knee", height=64, width=64) / "labels.csv"
    )
    patients = {
        split: {r["patient"] for r in labels if r["split"] == split} for split in ("train", "test")
    }
    assert len(patients["train"]) == 8
    assert len(patients["test"]) == 2
    assert not patients["train"] & patients["test"]


def test_readers_take_the_folder(tmp_path):
    write_phantoms(tmp_path, 6, kind="chest", height=80, width=64, bits=16)
    manifest = Manifest.from_csv(tmp_path / "labels.csv")
    assert len(manifest) == 6
    assert not manifest.refused
    assert set(manifest.bits) == {16}
    assert set(zip(manifest.height, manifest.width, strict=True)) == {(80, 64)}
    assert sorted(manifest.label) == [0, 0, 0, 1, 1, 1]
    assert read_generic(tmp_path / "fixations.csv").simulated


def test_writing_again_is_allowed_but_not_over_strangers(tmp_path):
    first = write_phantoms(tmp_path, 2, height=64, width=64)
    before = (first / "labels.csv").read_bytes(), (first / "fixations.csv").read_bytes()
    write_phantoms(tmp_path, 2, height=64, width=64)
    assert before == ((first / "labels.csv").read_bytes(), (first / "fixations.csv").read_bytes())
    with pytest.raises(FileExistsError, match=r"folder must be empty.*chest_000001\.png"):
        write_phantoms(tmp_path, 1, height=64, width=64)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"kind": "hand"}, ValueError, r"kind must be 'knee' or 'chest', got 'hand'\."),
        ({"bits": 12}, ValueError, r"bits must be 8 or 16, got 12\."),
        ({"index": -1}, ValueError, r"index must be from 0 to 281474976710655, got -1\."),
        ({"index": 1.5}, TypeError, r"index must be an integer, got float\."),
        ({"seed": -1}, ValueError, r"seed must be from 0 to 18446744073709551615, got -1\."),
        ({"seed": True}, TypeError, r"seed must be an integer, got bool\."),
        ({"height": 63}, ValueError, r"height must be at least 64, got 63\."),
        ({"width": "512"}, TypeError, r"width must be an integer, got str\."),
    ],
)
def test_bad_keys_are_refused(changes, error, message):
    arguments = {"kind": "knee", "index": 0, "height": 64, "width": 64, **changes}
    with pytest.raises(error, match=message):
        make_phantom(arguments.pop("kind"), arguments.pop("index"), **arguments)


@pytest.mark.parametrize("sigma_fraction", [0, -0.1, float("nan"), float("inf")])
def test_bad_sigma_is_refused(sigma_fraction):
    phantom = make_phantom("knee", 0, height=64, width=64)
    with pytest.raises(ValueError, match="sigma_fraction must be a positive number, got"):
        phantom_saliency(phantom, sigma_fraction=sigma_fraction)


def test_bad_map_shape_is_refused():
    phantom = make_phantom("knee", 0, height=64, width=64)
    with pytest.raises(ValueError, match=r"shape must be two positive integers, got \(0, 64\)\."):
        phantom_saliency(phantom, (0, 64))


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="num_images must be at least 1, got 0"):
        write_phantoms(tmp_path, 0)
    with pytest.raises(ValueError, match="kind must be 'knee', 'chest' or 'mixed', got 'both'"):
        write_phantoms(tmp_path, 1, kind="both")  # pyright: ignore[reportArgumentType]
    assert not list(tmp_path.iterdir())


def test_import_stays_light():
    code = (
        "import sys, gca_dali.phantoms; "
        "print([m for m in ('torch', 'numba', 'cupy', 'nvidia.dali', 'scipy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
