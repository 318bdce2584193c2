"""DICOM rules one by one on files made here: codings, tables, windows, inversion, padding."""

from __future__ import annotations

import dataclasses
import os
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from benchmarks.fuzz_seeds import CODECS, encode_frame, make_dicom, make_lut, make_seeds
from gca_dali.dicom import VOI_CHOICES, probe_dicom, read_dicom, stored_values
from gca_dali.dicom.codestream import read_frame_shape
from gca_dali.image import UnreadableImageError

Y, X = np.mgrid[:37, :53]
GREY8 = ((Y * 5 + X * 3) % 256).astype(np.uint8)
GREY12 = ((Y * 97 + X * 131) % 4096).astype(np.uint16)
LOSSLESS = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
]


@pytest.fixture
def write(tmp_path):
    """Give a function that writes bytes to a file and returns its path."""

    def write_bytes(data: bytes):
        path = tmp_path / "image.dcm"
        path.write_bytes(data)
        return path

    return write_bytes


def linear_by_hand(values: np.ndarray, low: float, high: float) -> np.ndarray:
    grey = (np.clip(values.astype(np.float64), low, high) - low) / (high - low)
    return np.floor(grey * 65535 + 0.5).astype(int)


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda s: s.keyword)
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_lossless_codings_are_bit_exact(write, syntax, bits):
    random = np.random.default_rng(bits)
    dtype = np.uint8 if bits == 8 else np.uint16
    pixels = random.integers(0, 1 << bits, (37, 53)).astype(dtype)
    path = write(make_dicom(pixels, syntax=syntax, bits_stored=bits))
    values = stored_values(path)
    assert values.dtype == dtype
    np.testing.assert_array_equal(values, pixels)
    image, intensity = read_dicom(path, voi="full")
    assert image.dtype == np.uint16
    low, high = pixels.min(), pixels.max()
    np.testing.assert_allclose(image, linear_by_hand(pixels, low, high), atol=1)
    assert (intensity.low, intensity.high) == (low, high)


@pytest.mark.parametrize(
    ("syntax", "bits"), [(JPEGBaseline8Bit, 8), (JPEGExtended12Bit, 12)], ids=["8", "12"]
)
def test_lossy_jpeg_is_close(write, syntax, bits):
    smooth = ((np.sin(Y / 9) * np.cos(X / 9) + 1) * ((1 << bits) - 1) / 2).astype(np.uint16)
    smooth = smooth.astype(np.uint8) if bits == 8 else smooth
    values = stored_values(write(make_dicom(smooth, syntax=syntax, bits_stored=bits)))
    assert values.dtype == smooth.dtype
    assert np.abs(values.astype(int) - smooth).max() <= (1 << bits) // 64


@pytest.mark.parametrize("syntax", [*LOSSLESS[:6], JPEGLSLossless], ids=lambda s: s.keyword)
def test_signed_values_keep_their_sign(write, syntax):
    pixels = (GREY12.astype(np.int16) - 2048).astype(np.int16)
    # What lossless JPEG and JPEG-LS carry are the unsigned 12 bits of each value.
    coded = (pixels.view(np.uint16) & 0xFFF) if syntax in CODECS else pixels
    data = make_dicom(coded, syntax=syntax, bits_stored=12, PixelRepresentation=1)
    values = stored_values(write(data))
    assert values.dtype == np.int16
    np.testing.assert_array_equal(values, pixels)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless], ids=lambda s: s.keyword)
def test_values_in_the_high_bits_are_taken_down(write, syntax):
    container = (GREY12 << 4) | np.uint16(9)
    values = stored_values(write(make_dicom(container, syntax=syntax, bits_stored=12, HighBit=15)))
    np.testing.assert_array_equal(values, GREY12)


def test_unused_high_bits_are_cleared(write):
    container = GREY12 | np.uint16(0xA000)
    values = stored_values(write(make_dicom(container, bits_stored=12)))
    np.testing.assert_array_equal(values, GREY12)


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


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_in_no_range(write, photometric):
    pixels = (GREY12 // 4 + 1000).astype(np.uint16)
    pixels[:5], pixels[-5:] = 0, 60000
    padded = {"PixelPaddingValue": 0, "PhotometricInterpretation": photometric}
    image, intensity = read_dicom(write(make_dicom(pixels, **padded)))
    assert (intensity.low, intensity.high) == (pixels[5:-5].min(), 60000)
    assert (image[:5] == 0).all()
    both = {**padded, "PixelPaddingRangeLimit": 900}
    pixels[:5, ::2] = 900
    pixels[-5:] = 1500
    image, intensity = read_dicom(write(make_dicom(pixels, **both)))
    assert (intensity.low, intensity.high) == (pixels[5:].min(), pixels[5:].max())
    assert (image[:5] == 0).all()
    assert len(np.unique(image[5:-5])) > 256


def test_padding_written_with_the_wrong_sign(write):
    pixels = GREY12.astype(np.int16)
    pixels[:5] = -2000
    data = make_dicom(pixels, PixelPaddingValue=-2000)
    # The same two bytes, declared as an unsigned element.
    tag = struct.pack("<HH2s", 0x0028, 0x0120, b"SS")
    assert tag in data
    data = data.replace(tag, tag[:4] + b"US")
    image, intensity = read_dicom(write(data))
    assert intensity.low >= 0
    assert (image[:5] == 0).all()


def test_all_padding_is_still_an_image(write):
    image, _ = read_dicom(write(make_dicom(np.zeros((4, 4), np.uint8), PixelPaddingValue=0)))
    assert image.shape == (4, 4) and not image.any()


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


def test_frames(write):
    pixels = np.stack([GREY12, GREY12[::-1], GREY12 // 2])
    for syntax in (ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless):
        path = write(make_dicom(pixels, syntax=syntax, bits_stored=12, num_frames=3))
        assert probe_dicom(path).num_frames == 3
        for frame in range(3):
            np.testing.assert_array_equal(stored_values(path, frame=frame), pixels[frame])
        for frame in (3, -1):
            with pytest.raises(ValueError, match=rf"frame must be 0…2, got {frame}"):
                read_dicom(path, frame=frame)


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


def test_colour_becomes_luma(write):
    colour = np.stack([GREY8, 255 - GREY8, GREY8.T[:37, :37].repeat(2, 1)[:, :53]], -1)
    expected = 0.299 * colour[..., 0] + 0.587 * colour[..., 1] + 0.114 * colour[..., 2]
    for syntax in (ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless, JPEGLSLossless):
        image, intensity = read_dicom(write(make_dicom(colour, syntax=syntax)))
        np.testing.assert_allclose(image / 257, expected, atol=1)
        assert intensity.voi == "none"
    planes = make_dicom(colour, PlanarConfiguration=1)
    place = planes.index(colour.tobytes())
    planes = planes[:place] + np.moveaxis(colour, -1, 0).tobytes() + planes[place + colour.size :]
    np.testing.assert_allclose(read_dicom(write(planes))[0] / 257, expected, atol=1)


def test_luma_of_ybr_is_its_first_sample(write):
    colour = np.stack([GREY8, GREY8 // 2, 255 - GREY8], -1)
    data = make_dicom(colour, PhotometricInterpretation="YBR_FULL")
    np.testing.assert_array_equal(read_dicom(write(data))[0], GREY8.astype(int) * 257)


def test_palette(write):
    ramp = (np.arange(256)[::-1] * 257).astype("<u2").tobytes()
    tables: dict[str, Any] = {
        f"{colour}PaletteColorLookupTable{part}": value
        for colour in ("Red", "Green", "Blue")
        for part, value in (("Descriptor", [256, 0, 16]), ("Data", ramp))
    }
    data = make_dicom(GREY8, PhotometricInterpretation="PALETTE COLOR", **tables)
    image, _ = read_dicom(write(data))
    np.testing.assert_allclose(image, (255 - GREY8.astype(int)) * 257, atol=1)


def test_probe_reads_no_patient_data(write):
    path = write(make_dicom(GREY12, bits_stored=12, BodyPartExamined="CHEST", ImageLaterality="L"))
    header = probe_dicom(path)
    assert (header.height, header.width, header.bits_stored) == (37, 53, 12)
    assert (header.modality, header.body_part, header.laterality) == ("DX", "CHEST", "L")
    text = repr(header)
    assert not any(secret in text for secret in ("Doe", "4711", "20200102"))
    assert probe_dicom(path, with_patient=True).patient == "4711"
    assert "Doe" not in repr(probe_dicom(path, with_patient=True))


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom tells of a cut identifier
@pytest.mark.parametrize("name", [n for n in make_seeds() if n.startswith("dicom")])
def test_truncated_files_are_refused(write, name):
    data = make_seeds()[name]
    # Sequence delimiter and pad byte may go without loss.
    for size in range(len(data) - 12, 0, -max(1, len(data) // 40)):
        with pytest.raises(UnreadableImageError, match="must be a readable image"):
            read_dicom(write(data[:size]))


def test_probe_refuses_truncated_pixels(write):
    data = make_dicom(GREY12, bits_stored=12)
    with pytest.raises(UnreadableImageError, match="cut short at 3822 of 3922 bytes"):
        probe_dicom(write(data[:-100]))
    data = make_dicom(GREY12, bits_stored=12, syntax=JPEGLSLossless)
    with pytest.raises(UnreadableImageError, match="compressed pixel data cut short by 92 bytes"):
        probe_dicom(write(data[:-100]))


def set_size(data: bytes, height: int, width: int) -> bytes:
    for element, value in ((0x0010, height), (0x0011, width)):
        place = data.index(struct.pack("<HH2sH", 0x0028, element, b"US", 2)) + 8
        data = data[:place] + struct.pack("<H", value) + data[place + 2 :]
    return data


def test_huge_claims_are_refused_before_allocation(write):
    header = set_size(make_dicom(GREY12, bits_stored=12), 60000, 60000)
    lossless = make_dicom(GREY12, syntax=JPEGLosslessSV1, bits_stored=12)
    place = lossless.index(b"\xff\xc3") + 5
    codestream = lossless[:place] + struct.pack(">HH", 60000, 60000) + lossless[place + 4 :]
    jpeg2000 = make_dicom(GREY12, syntax=JPEG2000Lossless, bits_stored=12)
    place = jpeg2000.index(b"\xff\x4f\xff\x51") + 8
    size = struct.pack(">6L", 60000, 60000, 0, 0, 60000, 60000)
    wavelet = jpeg2000[:place] + size + jpeg2000[place + 24 :]
    for data, reason in (
        (header, "claims 60000x60000 pixels, over 200 megapixels"),
        (codestream, "37x53 pixels of 1 samples but a codestream of 60000x60000 of 1 with 12"),
        (wavelet, "37x53 pixels of 1 samples but a codestream of 60000x60000 of 1 with 12"),
    ):
        path = write(data)
        tracemalloc.start()
        with pytest.raises(UnreadableImageError, match=reason):
            read_dicom(path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak_bytes < 4 << 20


def test_inflation_has_a_limit(write, monkeypatch):
    monkeypatch.setattr("gca_dali.dicom.file._MAX_INFLATED_BYTES", 4096)
    pixels = np.zeros((100, 100), np.uint8)
    data = make_dicom(pixels, syntax=DeflatedExplicitVRLittleEndian)
    with pytest.raises(UnreadableImageError, match="MiB when inflated"):
        read_dicom(write(data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no DICOM", "without the DICOM header"),
        (make_dicom(GREY8)[132:], "without the DICOM header"),
        (make_dicom(GREY8, SamplesPerPixel=4), "1 frames of 4 samples"),
        (make_dicom(GREY8, BitsAllocated=32, BitsStored=32), "pixels of 32 bits in 32"),
        (make_dicom(GREY8, BitsStored=9), "pixels of 9 bits in 8"),
        (make_dicom(GREY8, NumberOfFrames=2), "cut short at 1962 of 3922 bytes"),
        (make_dicom(GREY12, HighBit=3, bits_stored=12), "high bit 3 for 12 bits in 16"),
        (make_dicom(GREY8, PhotometricInterpretation="ARGB"), "photometric interpretation 'ARGB'"),
        (make_dicom(GREY8, RescaleSlope="1e308", RescaleIntercept="0"), "a rescale by 1e\\+308"),
    ],
    ids=["text", "bare", "samples", "deep", "bits", "frames", "high_bit", "argb", "overflow"],
)
def test_broken_headers_are_refused_by_name(write, data, reason):
    path = write(data)
    with pytest.raises(UnreadableImageError, match=reason) as caught:
        read_dicom(path)
    assert str(path) in str(caught.value)


def test_coding_without_a_decoder_is_named(write):
    data = make_dicom(GREY8).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.7\0")
    with pytest.raises(
        UnreadableImageError, match=r"coding '1\.2\.840\.10008\.1\.2\.7', for which no"
    ):
        read_dicom(write(data))


def test_only_regular_files_are_opened(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for reader in (probe_dicom, read_dicom, stored_values):
        with pytest.raises(FileNotFoundError, match="path must be a file, got"):
            reader(pipe)


def test_unknown_choice(write):
    with pytest.raises(ValueError, match="voi must be one of auto, window, lut, full, percentile"):
        read_dicom(write(make_dicom(GREY8)), voi="best")


def test_codestream_sizes():
    assert read_frame_shape(encode_frame(JPEGBaseline8Bit, GREY8, 8)) == (37, 53, 1, 8)
    assert read_frame_shape(encode_frame(JPEG2000Lossless, GREY12, 12)) == (37, 53, 1, 12)
    assert read_frame_shape(encode_frame(JPEGLSLossless, GREY12, 12)) == (37, 53, 1, 16)
    for broken in (b"", b"\xff\xd8", b"\xff\xd8\xff\xda\0\2\0", b"\xff\x4f\xff\x51", b"RIFF"):
        assert read_frame_shape(broken) is None
    tiny_tiles = bytearray(encode_frame(JPEG2000Lossless, GREY12, 12))
    tiny_tiles[8:32] = struct.pack(">6L", 1000, 1000, 0, 0, 1, 1)
    assert read_frame_shape(bytes(tiny_tiles)) is None


def test_jpeg_of_8_bits_in_words_of_16(write):
    data = make_dicom(GREY8, syntax=JPEGBaseline8Bit)
    place = data.index(struct.pack("<HH2sH", 0x0028, 0x0100, b"US", 2)) + 8
    values = stored_values(write(data[:place] + struct.pack("<H", 16) + data[place + 2 :]))
    assert values.shape == GREY8.shape
    assert np.abs(values.astype(int) - GREY8).mean() < 8


def test_several_fragments_make_one_frame(write):
    coded = encode_frame(JPEGLSLossless, GREY12, 12)
    data = make_dicom(GREY12, syntax=JPEGLSLossless, bits_stored=12)
    whole = encapsulate([coded])
    parts = encapsulate([coded], fragments_per_frame=4)
    assert whole in data and parts != whole
    path = write(data.replace(whole, parts))
    np.testing.assert_array_equal(stored_values(path), GREY12)
