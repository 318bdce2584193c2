"""Every real DICOM file beside the repository does what its note says; chests have dark lungs."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from gca_dali.image import dicom
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom import probe_dicom, stored_values
from gca_dali.image.read import read_image

# Some take a second to decode, and several tests look at them.
read_dicom = lru_cache(maxsize=None)(dicom.read_dicom)

# Largest difference to the uncompressed twin, from the manifest's notes; the two JPEG files are
# lossy too, without a promise there: 101 of 1024 levels was measured.
HIP_TOLERANCE = {
    "RLE": 0,
    "JPLL": 0,
    "JLSL": 0,
    "J2KR": 0,
    "JLSN": 4,
    "J2KI": 87,
    "JPLY_fixed": 101,
}
REFUSED = {
    "wg04_RG2_hip_JPLY.dcm": r"misplaced marker segment",
    "ct_no_meta.dcm": r"without the DICOM header",
    "mr_truncated.dcm": r"cut short at 8130 of 8192 bytes",
}
# Boxes y0:y1, x0:x1 as shares of height and width, set by eye: the aerated upper lung that each
# image shows, and the spine and mediastinum between the lungs.
CHESTS = {
    "wg04_RG1_chest_J2KI.dcm": [(0.2, 0.35, 0.22, 0.36), (0.2, 0.35, 0.46, 0.54)],
    "wg04_RG1_chest_JLSN.dcm": [(0.2, 0.35, 0.22, 0.36), (0.2, 0.35, 0.46, 0.54)],
    "dx_chest_canon_966_deid_J2KR.dcm": [(0.18, 0.35, 0.2, 0.35), (0.18, 0.35, 0.46, 0.54)],
}


@pytest.fixture(scope="module")
def rows(shared_data) -> dict[str, dict[str, str]]:
    """Rows of the manifest by path."""
    with (shared_data / "dicom" / "manifest.csv").open(newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def hip(shared_data) -> np.ndarray:
    """Stored values of the uncompressed hip."""
    return stored_values(shared_data / "dicom" / "wg04_RG2_hip_UNC.dcm").astype(int)


def test_headers_agree_with_the_manifest(shared_data, rows):
    assert len(rows) >= 21
    for path, row in rows.items():
        if Path(path).name in REFUSED:
            continue
        header = probe_dicom(shared_data / path)
        assert (header.height, header.width) == (int(row["rows"]), int(row["cols"])), path
        assert header.bits_stored == int(row["bits_stored"]), path
        assert header.is_signed == (row["signed"] == "1"), path
        assert header.num_samples == int(row["samples"]), path
        assert header.photometric == row["photometric"], path
        assert header.transfer_syntax == row["transfer_syntax"], path


def test_every_file_is_read_or_refused_as_its_note_says(shared_data, rows):
    for path, row in rows.items():
        file = shared_data / path
        if Path(path).name in REFUSED:
            with pytest.raises(UnreadableImageError, match=REFUSED[file.name]):
                read_dicom(file)
            continue
        image, _ = read_dicom(file)
        assert image.dtype == np.uint16
        assert image.shape == (int(row["rows"]), int(row["cols"]))
        assert np.ptp(image) > 30_000, path


def test_stored_ranges_agree_with_the_manifest(shared_data, rows):
    for path, row in rows.items():
        if row["stored_range"] and int(row["rows"]) < 1000:
            values = stored_values(shared_data / path)
            assert f"{values.min()}..{values.max()}" == row["stored_range"], path


@pytest.mark.parametrize("coding", HIP_TOLERANCE)
def test_codings_of_one_hip_agree(shared_data, hip, coding):
    values = stored_values(shared_data / "dicom" / f"wg04_RG2_hip_{coding}.dcm")
    assert np.abs(values - hip).max() <= HIP_TOLERANCE[coding]


@pytest.mark.parametrize("name", CHESTS)
def test_lungs_are_darker_than_the_mediastinum(shared_data, name):
    image, intensity = read_dicom(shared_data / "dicom" / name)
    assert intensity.inverted
    height, width = image.shape
    lung, mediastinum = (
        image[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)].mean()
        for y0, y1, x0, x1 in CHESTS[name]
    )
    # An eighth of the range, far more than noise: inverted it would fail by as much.
    assert lung + 8192 < mediastinum


def test_more_than_256_levels_remain(shared_data):
    for name in ("wg04_RG1_chest_J2KI", "wg04_RG2_hip_UNC"):
        path = shared_data / "dicom" / f"{name}.dcm"
        # The contrast may join no two stored values that differ.
        num_stored = len(np.unique(stored_values(path)))
        assert len(np.unique(read_dicom(path)[0])) > max(256, 0.95 * num_stored), name


def test_pngs_made_from_the_stored_values_are_equal(shared_data, hip):
    png = read_image(shared_data / "formats" / "rg2_hip_raw16.png")
    np.testing.assert_array_equal(png, hip)


def test_colour_codings_agree(shared_data):
    jpeg, _ = read_dicom(shared_data / "dicom" / "edge" / "sc_ybr_jpeg.dcm")
    plain, _ = read_dicom(shared_data / "dicom" / "edge" / "sc_rgb_bigendian.dcm")
    assert np.abs(jpeg.astype(int) - plain).mean() < 3 * 257


def test_tables_show_the_whole_test_pattern(shared_data):
    for name, used in (("vlut_04", "lut"), ("mlut_18", "full"), ("image_dfl", "full")):
        image, intensity = read_dicom(shared_data / "dicom" / "edge" / f"{name}.dcm")
        assert intensity.voi == used
        assert image.min() < 300 and image.max() > 65_000
        # The background of the SMPTE pattern is its middle grey.
        assert 20_000 < np.median(image) < 45_000, name
