"""Tables, windows and rescales that are not for display, empty, too short, no number or missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from benchmarks.fuzz_seeds import make_dicom, make_lut
from gca_dali.data.manifest import Manifest
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom import probe_dicom, read_dicom
from gca_dali.image.dicom.lut import LutError, read_lut
from gca_dali.image.voi import DicomOptions

Y, X = np.mgrid[:37, :53]
GREY8 = ((Y * 5 + X * 3) % 256).astype(np.uint8)
GREY12 = ((Y * 97 + X * 131) % 4096).astype(np.uint16)
WINDOW: dict[str, Any] = {"WindowCenter": 900, "WindowWidth": 600}
NO_LUT = "a lookup table without its descriptor or data"
XA = "1.2.840.10008.5.1.4.1.1.12.1"
DX = "1.2.840.10008.5.1.4.1.1.1.1"


def make_short_lut(num_bytes: int) -> Dataset:
    lut = make_lut(0, np.arange(4096))
    lut.LUTData = lut.LUTData[:num_bytes]
    return lut


def make_empty_lut() -> Dataset:
    item = Dataset()
    item.LUTDescriptor = item.LUTData = None
    item["LUTData"].VR = "OW"
    return item


@pytest.mark.parametrize("options", [{}, WINDOW], ids=["full", "window"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_modality_table_of_angiography_is_not_for_display(write, number, options):
    uid = f"{XA[:-1]}{number}"
    options = {"bits_stored": 12, "SOPClassUID": uid, **options}
    plain, expected = read_dicom(write(make_dicom(GREY12, **options)))
    options["ModalityLUTSequence"] = [make_lut(0, np.arange(4096) ** 2 // 4095)]
    image, intensity = read_dicom(write(make_dicom(GREY12, **options)))
    np.testing.assert_array_equal(image, plain)
    assert intensity == expected
    options["SOPClassUID"] = DX
    assert (read_dicom(write(make_dicom(GREY12, **options)))[0] != plain).any()


def test_rescale_of_angiography_is_applied_beside_such_a_table(write):
    data = make_dicom(
        GREY12,
        bits_stored=12,
        SOPClassUID=XA,
        RescaleSlope=2,
        RescaleIntercept=-100,
        ModalityLUTSequence=[make_lut(0, np.arange(4096)[::-1])],
    )
    intensity = read_dicom(write(data))[1]
    assert intensity.low == GREY12.min() * 2.0 - 100
    assert intensity.high == GREY12.max() * 2.0 - 100


def test_broken_modality_table_of_angiography_stops_nothing(write):
    options = {"bits_stored": 12, "ModalityLUTSequence": [make_short_lut(8190)]}
    path = write(make_dicom(GREY12, SOPClassUID=XA, **options))
    assert probe_dicom(path).height == 37
    assert read_dicom(path)[1].voi == "full"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_empty_table_is_passed_over(write, syntax):
    options: dict[str, Any] = {"syntax": syntax, "bits_stored": 12}
    path = write(make_dicom(GREY12, VOILUTSequence=[make_empty_lut()], **WINDOW, **options))
    assert probe_dicom(path).height == 37
    assert read_dicom(path)[1].voi == "window"
    with pytest.raises(UnreadableImageError, match=rf"{NO_LUT}\. Read it with voi='auto'"):
        read_dicom(path, voi="lut")
    path = write(make_dicom(GREY12, ModalityLUTSequence=[make_empty_lut()], **options))
    with pytest.raises(UnreadableImageError, match=NO_LUT):
        probe_dicom(path)


@pytest.mark.parametrize("num_bytes", [8190, 4098, 4094])
def test_table_a_little_too_short_is_not_read_as_bytes(write, num_bytes):
    lut = make_short_lut(num_bytes)
    claims = f"a lookup table of {num_bytes // 2} entries that claims 4096"
    path = write(make_dicom(GREY12, bits_stored=12, VOILUTSequence=[lut]))
    assert read_dicom(path)[1].voi == "full"
    with pytest.raises(UnreadableImageError, match=claims):
        read_dicom(path, voi="lut")
    path = write(make_dicom(GREY12, bits_stored=12, ModalityLUTSequence=[lut]))
    for reader in (probe_dicom, read_dicom):
        with pytest.raises(UnreadableImageError, match=claims):
            reader(path)


def test_odd_number_of_bytes_is_too_short_a_table_too():
    # pydicom pads what it writes, others may not.
    around = Dataset()
    around.file_meta = FileMetaDataset()
    around.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with pytest.raises(LutError, match="a lookup table of 4095 entries that claims 4096"):
        read_lut(make_short_lut(8191), around, 0)


@pytest.mark.parametrize("num_bytes", [255, 256])
def test_odd_number_of_packed_bytes_may_be_padded(write, num_bytes):
    lut = make_lut(0, np.arange(255), bits=8)
    lut.LUTData = np.arange(256)[::-1].astype(np.uint8).tobytes()[:num_bytes]
    image, intensity = read_dicom(write(make_dicom(GREY8, VOILUTSequence=[lut])))
    assert intensity.voi == "lut"
    expected = 255 - np.minimum(GREY8, 254)
    np.testing.assert_array_equal(image, expected.astype(np.uint16) * 257)


@pytest.mark.parametrize("broken", ["RescaleSlope", "RescaleIntercept"])
def test_rescale_by_no_number_is_refused(write, broken):
    elements: dict[str, Any] = {"RescaleSlope": "1", "RescaleIntercept": "1", broken: "1.5"}
    path = write(make_dicom(GREY8, **elements).replace(b"1.5 ", b"nan "))
    for reader in (probe_dicom, read_dicom):
        with pytest.raises(UnreadableImageError, match=r"a rescale by .*nan"):
            reader(path)


def index(folder: Path, voi: str, **files: bytes) -> Manifest:
    for name, data in files.items():
        (folder / f"{name}.dcm").write_bytes(data)
    return Manifest.from_folder(folder, dicom=DicomOptions(voi=voi))


LUT = make_lut(0, np.arange(4096)[::-1])
LACKING = {
    "window": ({}, WINDOW, "no window"),
    "window:1": (
        WINDOW,
        {"WindowCenter": [900, 90], "WindowWidth": [600, 60]},
        "no window of number 1",
    ),
    "window:0": (
        {"WindowCenter": 900, "WindowWidth": 0},
        WINDOW,
        "a window of LINEAR, centre 900.0 and width 0.0",
    ),
    "lut": ({"VOILUTSequence": [make_short_lut(8190)]}, {"VOILUTSequence": [LUT]}, "claims 4096"),
    "lut:1": ({"VOILUTSequence": [LUT]}, {"VOILUTSequence": [LUT, LUT]}, "1 VOI table"),
}


@pytest.mark.parametrize("voi", LACKING)
def test_index_refuses_what_lacks_the_contrast_asked_for(tmp_path, voi):
    lacking, having, reason = LACKING[voi]
    files = {
        "lacking": make_dicom(GREY12, bits_stored=12, **lacking),
        "having": make_dicom(GREY12, bits_stored=12, **having),
        "colour": make_dicom(np.stack([GREY8] * 3, -1)),
    }
    manifest = index(tmp_path, voi, **files)
    assert list(manifest.path) == ["colour.dcm", "having.dcm"]
    for row in range(2):
        assert manifest.read(row).shape == (37, 53)
    (refused,) = manifest.refused
    assert refused.path == "lacking.dcm" and reason in refused.reason
    with pytest.raises(UnreadableImageError) as caught:
        read_dicom(tmp_path / "lacking.dcm", voi=voi)
    assert refused.reason == caught.value.reason


@pytest.mark.parametrize("voi", ["auto", "full", "percentile"])
def test_other_contrasts_need_no_window(tmp_path, voi):
    manifest = index(tmp_path, voi, lacking=make_dicom(GREY12, bits_stored=12))
    assert len(manifest) == 1 and not manifest.refused


def test_each_frame_must_have_its_window(tmp_path):
    def group(**elements: Any) -> Dataset:
        window, item = Dataset(), Dataset()
        for keyword, value in elements.items():
            setattr(window, keyword, value)
        item.FrameVOILUTSequence = Sequence([window])
        return item

    def make(*groups: Dataset) -> bytes:
        return make_dicom(
            np.stack([GREY12, GREY12]),
            bits_stored=12,
            num_frames=2,
            PerFrameFunctionalGroupsSequence=Sequence(groups),
        )

    whole, half = make(group(**WINDOW), group(**WINDOW)), make(group(**WINDOW), group())
    manifest = index(tmp_path, "window", whole=whole, half=half)
    assert list(manifest.path) == ["whole.dcm"]
    assert [item.reason for item in manifest.refused] == ["no window"]


def test_unknown_contrast_of_a_probe(write):
    with pytest.raises(ValueError, match="voi must be one of auto, window, lut, full, percentile"):
        probe_dicom(write(make_dicom(GREY8)), voi="best")
