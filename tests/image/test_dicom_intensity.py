"""DICOM grey levels on files made here: tables, windows and inversion, rule by rule."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from benchmarks.fuzz_seeds import make_dicom, make_lut
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom import VOI_CHOICES, read_dicom

Y, X = np.mgrid[:37, :53]
GREY8 = ((Y * 5 + X * 3) % 256).astype(np.uint8)
GREY12 = ((Y * 97 + X * 131) % 4096).astype(np.uint16)


def linear_by_hand(values: np.ndarray, low: float, high: float) -> np.ndarray:
    grey = (np.clip(values.astype(np.float64), low, high) - low) / (high - low)
    return np.floor(grey * 65535 + 0.5).astype(int)


def test_window_by_hand(write):
    # PS3.3 C.11.2.1.2.1: c=8, w=8 maps values up to 4 to black, above 11 to white.
    pixels = np.arange(16, dtype=np.uint8).reshape(2, 8)
    image, intensity = read_dicom(write(make_dicom(pixels, WindowCenter=8, WindowWidth=8)))
    expected = [0] * 5 + [round(65535 * k / 7) for k in range(1, 7)] + [65535] * 5
    assert image.ravel().tolist() == expected
    assert dataclasses.astuple(intensity) == ("window", 4.0, 11.0, False)


def test_window_functions_follow_their_equations(write):
    values = GREY12.astype(np.float64)
    options: dict[str, Any] = {"bits_stored": 12, "WindowCenter": 1500, "WindowWidth": 900}
    exact, _ = read_dicom(write(make_dicom(GREY12, VOILUTFunction="LINEAR_EXACT", **options)))
    np.testing.assert_allclose(exact, linear_by_hand(values, 1050, 1950), atol=1)
    sigmoid, _ = read_dicom(write(make_dicom(GREY12, VOILUTFunction="SIGMOID", **options)))
    expected = 65535 / (1 + np.exp(-4 * (values - 1500) / 900))
    np.testing.assert_allclose(sigmoid, expected, atol=1)
    linear, _ = read_dicom(write(make_dicom(GREY12, **options)))
    np.testing.assert_allclose(linear, linear_by_hand(values, 1050, 1949), atol=1)


def test_window_of_width_one_is_a_threshold(write):
    image, _ = read_dicom(write(make_dicom(GREY8, WindowCenter=100, WindowWidth=1)))
    np.testing.assert_array_equal(image, np.where(GREY8 > 99, 65535, 0))


def test_first_of_several_windows_counts(write):
    data = make_dicom(GREY12, bits_stored=12, WindowCenter=[900, 10], WindowWidth=[600, 20])
    _, intensity = read_dicom(write(data))
    assert (intensity.low, intensity.high) == (600.0, 1199.0)


def test_rescale_comes_before_the_window(write):
    data = make_dicom(
        GREY12,
        bits_stored=12,
        RescaleSlope="0.5",
        RescaleIntercept="-100",
        WindowCenter="400.5",
        WindowWidth="801",
    )
    image, _ = read_dicom(write(data))
    np.testing.assert_allclose(image, linear_by_hand(GREY12 * 0.5 - 100, 0, 800), atol=1)


def test_negative_slope_inverts(write):
    data = make_dicom(GREY8, RescaleSlope=-1, RescaleIntercept=255)
    image, _ = read_dicom(write(data))
    assert image.ravel()[GREY8.argmax()] == 0
    assert image.ravel()[GREY8.argmin()] == 65535


def test_modality_table_comes_before_the_voi_table(write):
    square = make_lut(0, np.arange(4096) ** 2 // 4095)
    reverse = make_lut(0, np.arange(4095, -1, -1))
    data = make_dicom(
        GREY12, bits_stored=12, ModalityLUTSequence=[square], VOILUTSequence=[reverse]
    )
    image, intensity = read_dicom(write(data))
    expected = 4095 - GREY12.astype(np.int64) ** 2 // 4095
    np.testing.assert_allclose(image, np.rint(expected / 4095 * 65535), atol=1)
    assert intensity.voi == "lut"


@pytest.mark.parametrize(("first", "vr"), [(-4, "SS"), (65536 - 4, "US")])
def test_table_clamps_at_both_ends_and_may_begin_below_zero(write, first, vr):
    pixels = np.arange(-8, 8, dtype=np.int16).reshape(4, 4)
    lut = make_lut(first, np.arange(8) * 100)
    lut["LUTDescriptor"].VR = vr
    data = make_dicom(pixels, ModalityLUTSequence=[lut])
    image, intensity = read_dicom(write(data))
    expected = np.clip(pixels + 4, 0, 7) * 100
    np.testing.assert_allclose(image, linear_by_hand(expected, 0, 700), atol=1)
    assert (intensity.low, intensity.high) == (0, 700)


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_table_in_words_of_either_order(write, syntax):
    entries = np.arange(4096)[::-1]
    lut = make_lut(0, entries)
    if syntax == ExplicitVRBigEndian:
        lut.LUTData = entries.astype(">u2").tobytes()
    image, intensity = read_dicom(
        write(make_dicom(GREY12, syntax=syntax, bits_stored=12, VOILUTSequence=[lut]))
    )
    assert intensity.voi == "lut"
    np.testing.assert_allclose(image, linear_by_hand(4095 - GREY12.astype(int), 0, 4095), atol=1)


def test_table_of_packed_bytes(write):
    lut = make_lut(0, np.arange(256), bits=8)
    lut.LUTData = np.arange(256)[::-1].astype(np.uint8).tobytes()
    image, _ = read_dicom(write(make_dicom(GREY8, VOILUTSequence=[lut])))
    np.testing.assert_array_equal(image, (255 - GREY8).astype(np.uint16) * 257)


def test_wrong_depth_of_a_table_does_not_blacken(write):
    # Entries of 12 bits under a descriptor that claims 16.
    lut = make_lut(0, np.arange(4096), bits=16)
    image, _ = read_dicom(write(make_dicom(GREY12, bits_stored=12, VOILUTSequence=[lut])))
    assert image.max() > 65000


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", [None, "IDENTITY", "INVERSE"])
def test_inversion_once_and_after_the_voi_step(write, photometric, shape):
    elements: dict[str, Any] = {"PhotometricInterpretation": photometric, "WindowCenter": 900}
    elements["WindowWidth"] = 601
    if shape:
        elements["PresentationLUTShape"] = shape
    image, intensity = read_dicom(write(make_dicom(GREY12, bits_stored=12, **elements)))
    upright = linear_by_hand(GREY12, 599.5, 1199.5)
    inverted = photometric == "MONOCHROME1" or shape == "INVERSE"
    assert intensity.inverted == inverted
    np.testing.assert_allclose(image, 65535 - upright if inverted else upright, atol=1)


def test_choices_of_contrast(write):
    lut = make_lut(0, np.arange(4096) ** 2 // 4095)
    path = write(
        make_dicom(GREY12, bits_stored=12, WindowCenter=900, WindowWidth=600, VOILUTSequence=[lut])
    )
    used = {voi: read_dicom(path, voi=voi)[1].voi for voi in VOI_CHOICES}
    assert used == {"auto": "lut", "window": "window", "lut": "lut"} | {
        voi: voi for voi in ("full", "percentile")
    }
    _, full = read_dicom(path, voi="full")
    assert (full.low, full.high) == (GREY12.min(), GREY12.max())
    _, share = read_dicom(path, voi="percentile")
    np.testing.assert_allclose((share.low, share.high), np.percentile(GREY12, (0.5, 99.5)), atol=40)


def test_percentiles_cut_off_outliers(write):
    pixels = GREY12.copy()
    pixels[0, 0], pixels[0, 1] = 60000, 0
    image, intensity = read_dicom(write(make_dicom(pixels)), voi="percentile")
    assert intensity.high < 4096
    assert image[0, 0] == 65535


def test_more_than_256_levels_remain(write):
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    choices: list[dict[str, Any]] = [{"WindowCenter": 2048, "WindowWidth": 4096}, {}]
    for options in choices:
        image, _ = read_dicom(write(make_dicom(pixels, bits_stored=12, **options)))
        assert len(np.unique(image)) == 4096


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": 60000, "WindowWidth": 10},
        {"WindowCenter": 100, "WindowWidth": 0},
        {"WindowCenter": 100, "WindowWidth": -5},
        {"WindowCenter": 100, "WindowWidth": 50, "VOILUTFunction": "CUBIC"},
        {"VOILUTSequence": [make_lut(0, np.zeros(4096, int))]},
        {"WindowCenter": None, "WindowWidth": 50},
    ],
    ids=["blank", "zero", "negative", "function", "blank_lut", "half"],
)
def test_auto_passes_over_what_would_show_nothing(write, elements):
    dataset = {key: value for key, value in elements.items() if value is not None}
    image, intensity = read_dicom(write(make_dicom(GREY12, bits_stored=12, **dataset)))
    assert intensity.voi == "full"
    assert image.min() == 0 and image.max() == 65535


def test_constant_image_is_no_fault(write):
    image, intensity = read_dicom(
        write(make_dicom(np.full((9, 9), 700, np.uint16), WindowCenter=500, WindowWidth=1000))
    )
    assert intensity.voi == "window"
    assert len(np.unique(image)) == 1


def test_short_table_is_refused_or_passed_over(write):
    lut = make_lut(0, np.arange(100))
    lut.LUTDescriptor = [4096, 0, 12]
    path = write(make_dicom(GREY12, bits_stored=12, VOILUTSequence=[lut]))
    assert read_dicom(path)[1].voi == "full"
    with pytest.raises(UnreadableImageError, match="table of 100 entries that claims 4096"):
        read_dicom(path, voi="lut")
    with pytest.raises(UnreadableImageError, match=r"got no window\. Read it with voi='auto'"):
        read_dicom(path, voi="window")
    path = write(make_dicom(GREY12, bits_stored=12, ModalityLUTSequence=[lut]))
    with pytest.raises(UnreadableImageError, match="entries that claims 4096"):
        read_dicom(path)


def test_windows_of_single_frames(write):
    def group(centre: int) -> Dataset:
        window = Dataset()
        window.WindowCenter, window.WindowWidth = centre, 201
        item = Dataset()
        item.FrameVOILUTSequence = Sequence([window])
        return item

    data = make_dicom(
        np.stack([GREY12, GREY12]),
        bits_stored=12,
        num_frames=2,
        PerFrameFunctionalGroupsSequence=Sequence([group(500), group(900)]),
    )
    path = write(data)
    assert [read_dicom(path, frame=frame)[1].low for frame in (0, 1)] == [399.5, 799.5]
