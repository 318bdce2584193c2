"""Stores of real X-rays: equal windows, faithful views in every format, all 16 bits, dark lungs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.loaders.compare_store import compare_views, plain_crops
from benchmarks.loaders.store_cases import make_store, take_jpegs
from gca_dali import Manifest
from gca_dali.prepare.verify import verify_store

# dB on 0 to 1, least of all views at 112 px; benchmarks/results/store_views.json has 51 at 224 px.
LEAST_PSNR_DB = {"jpeg": 45.0, "png16": 45.0, "raw8": 45.0, "raw16": 45.0}


@pytest.mark.parametrize("encoding", LEAST_PSNR_DB)
def test_views_from_a_store_are_those_of_the_originals(shared_data: Path, tmp_path, encoding):
    originals = take_jpegs(shared_data).take([1, 5, 9, 13])
    store = make_store(originals, tmp_path / "store", encoding, 512)
    psnr_db = compare_views(originals, store, plain_crops(112), num_epochs=1)
    assert len(psnr_db) == 8
    assert psnr_db.min() > LEAST_PSNR_DB[encoding]


@pytest.mark.slow
def test_a_store_of_dicom_keeps_levels_and_dark_lungs(shared_data: Path, tmp_path):
    names = ["wg04_RG1_chest_J2KI.dcm", "wg04_RG2_hip_UNC.dcm"]
    rows = Manifest.from_folder(shared_data / "dicom").where(path=names)
    assert rows.path.tolist() == names
    store = make_store(rows, tmp_path / "store", "auto", 512)
    assert verify_store(tmp_path / "store") == []
    for row in range(2):
        image = store.read(row)
        assert image.dtype == np.uint16 and min(image.shape) == 512
        assert len(np.unique(image)) > 256
    chest = store.read(0)
    height, width = chest.shape
    lung = chest[int(0.2 * height) : int(0.35 * height), int(0.22 * width) : int(0.36 * width)]
    spine = chest[int(0.2 * height) : int(0.35 * height), int(0.46 * width) : int(0.54 * width)]
    assert lung.mean() + 8192 < spine.mean()
