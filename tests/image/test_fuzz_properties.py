"""Properties over drawn images, headers and bytes: exact values, full range, named refusals."""

from __future__ import annotations

import io
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pydicom import dcmread
from pydicom.pixels.processing import apply_modality_lut, apply_windowing

from benchmarks.fuzz_seeds import make_dicom, make_lut
from gca_dali.image.claims import UnreadableImageError, sniff_format
from gca_dali.image.dicom import VOI_CHOICES, read_dicom, stored_values
from gca_dali.image.dicom.codestream import read_frame_shape
from gca_dali.image.read import decode_image

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
FEW = settings(max_examples=80, deadline=None, suppress_health_check=SLOW)
MANY = settings(max_examples=400, deadline=None, suppress_health_check=SLOW)
SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)
IMAGES = st.sampled_from([np.uint8, np.uint16]).flatmap(lambda t: arrays.arrays(t, SHAPES))
NUMBERS = st.one_of(st.integers(-70_000, 70_000), st.floats(-1e6, 1e6, allow_nan=False))
STARTS = [
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"\0" * 128 + b"DICM",
]


def read_bytes(data: bytes, **options):
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        Path(file.name).write_bytes(data)
        return read_dicom(file.name, **options)


@FEW
@given(IMAGES)
def test_png_and_tiff_give_back_every_value(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    np.testing.assert_array_equal(decode_image(file.getvalue()), image)
    file = io.BytesIO()
    tifffile.imwrite(file, image, photometric="minisblack")
    np.testing.assert_array_equal(decode_image(file.getvalue()), image)


@MANY
@given(st.sampled_from(STARTS), st.binary(max_size=400))
def test_bytes_behind_a_true_start_are_refused_or_an_image(start, rest):
    assert sniff_format(start) or len(start) == 132
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if start.endswith(b"DICM"):
                image, _ = read_bytes(start + rest)
            else:
                image = decode_image(start + rest)
    except UnreadableImageError as error:
        assert error.reason
        assert "\n" not in error.reason
    else:
        assert image.ndim == 2 and image.dtype in (np.uint8, np.uint16)


@MANY
@given(st.binary(max_size=200), st.sampled_from([b"\xff\xd8", b"\xff\x4f\xff\x51", b""]))
def test_codestream_headers_of_any_bytes(rest, start):
    shape = read_frame_shape(start + rest)
    assert shape is None or len(shape) == 4


@st.composite
def dicom_headers(draw):
    """Draw pixels and a header that may or may not make sense."""
    dtype = draw(st.sampled_from([np.uint8, np.int8, np.uint16, np.int16]))
    pixels = draw(arrays.arrays(dtype, SHAPES))
    optional = {
        "WindowCenter": NUMBERS,
        "WindowWidth": NUMBERS,
        "RescaleSlope": NUMBERS,
        "RescaleIntercept": NUMBERS,
        "VOILUTFunction": st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID", "OTHER"]),
        "PresentationLUTShape": st.sampled_from(["IDENTITY", "INVERSE"]),
        "PhotometricInterpretation": st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
        "PixelPaddingValue": st.integers(0, 127),
        "PixelPaddingRangeLimit": st.integers(0, 127),
        "HighBit": st.integers(0, 20),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(optional))))
    elements = {keyword: draw(optional[keyword]) for keyword in sorted(chosen)}
    for keyword in ("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept"):
        if keyword in elements:
            elements[keyword] = f"{elements[keyword]:.8g}"
    if draw(st.booleans()):
        entries = draw(arrays.arrays(np.uint16, st.integers(1, 300)))
        sequence = draw(st.sampled_from(["VOILUTSequence", "ModalityLUTSequence"]))
        elements[sequence] = [make_lut(draw(st.integers(0, 120)), entries)]
    bits = draw(st.integers(1, 8 * np.dtype(dtype).itemsize))
    return pixels, bits, elements


@settings(FEW, max_examples=150)
@given(dicom_headers(), st.sampled_from(VOI_CHOICES))
def test_any_header_gives_an_image_or_a_reason(header, voi):
    pixels, bits, elements = header
    data = make_dicom(pixels, bits_stored=bits, **elements)
    try:
        image, intensity = read_bytes(data, voi=voi)
    except UnreadableImageError as error:
        assert error.reason
        # Without a choice, only a header that contradicts itself is refused.
        if voi in ("auto", "full", "percentile"):
            assert "high bit" in error.reason or "rescale" in error.reason
        return
    assert image.dtype == np.uint16
    assert image.shape == pixels.shape
    assert np.isfinite([intensity.low, intensity.high]).all()


@FEW
@given(IMAGES, st.booleans())
def test_grey_levels_keep_the_order_of_stored_values(pixels, inverted):
    photometric = "MONOCHROME1" if inverted else "MONOCHROME2"
    image, intensity = read_bytes(make_dicom(pixels, PhotometricInterpretation=photometric))
    order = np.argsort(pixels, axis=None, kind="stable")
    steps = np.diff(image.ravel()[order].astype(int))
    assert (steps <= 0).all() if inverted else (steps >= 0).all()
    assert intensity.inverted == inverted
    if np.ptp(pixels):
        assert (image.min(), image.max()) == (0, 65535)


@pytest.mark.filterwarnings("ignore:overflow")  # of pydicom's sigmoid
@FEW
@given(
    st.integers(-3000, 3000),
    st.integers(2, 5000),
    st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    st.sampled_from([(1, 0), (0.5, -1024), (-2, 100)]),
)
def test_windows_agree_with_pydicom(centre, width, function, rescale):
    pixels = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64)
    data = make_dicom(
        pixels,
        bits_stored=12,
        WindowCenter=centre,
        WindowWidth=width,
        VOILUTFunction=function,
        RescaleSlope=rescale[0],
        RescaleIntercept=rescale[1],
    )
    dataset = dcmread(io.BytesIO(data))
    windowed = apply_windowing(apply_modality_lut(pixels, dataset), dataset)
    ends = np.array([-2048, 2047]) * rescale[0] + rescale[1]
    expected = (windowed - ends[0]) / (ends[1] - ends[0]) * 65535
    # pydicom's range runs backwards where the slope is negative, and so does its window.
    image, _ = read_bytes(data, voi="window")
    np.testing.assert_allclose(image, expected, atol=1)


@FEW
@given(st.integers(1, 16), st.booleans(), st.randoms(use_true_random=False))
def test_stored_bits_come_back_from_any_place(bits, is_signed, random):
    high_bit = random.randint(bits - 1, 15)
    low = -(1 << bits - 1) if is_signed else 0
    values = np.array([[low, low + (1 << bits) - 1, 0, random.randint(low, low + (1 << bits) - 1)]])
    garbage = random.getrandbits(16)
    mask = ((1 << bits) - 1) << (high_bit + 1 - bits)
    words = ((values << (high_bit + 1 - bits)) & mask) | (garbage & ~mask & 0xFFFF)
    data = make_dicom(
        words.astype(np.uint16), bits_stored=bits, HighBit=high_bit, PixelRepresentation=is_signed
    )
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        Path(file.name).write_bytes(data)
        np.testing.assert_array_equal(stored_values(file.name), values)
