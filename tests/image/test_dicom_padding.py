"""Pixel padding of DICOM files made here: what is black, in no range, or left alone."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from benchmarks.fuzz_seeds import make_dicom
from gca_dali.image.dicom import read_dicom

Y, X = np.mgrid[:37, :53]
GREY8 = ((Y * 5 + X * 3) % 256).astype(np.uint8)
GREY12 = ((Y * 97 + X * 131) % 4096).astype(np.uint16)


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


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("ends", [(65535,), (4095,), (256,), (0, 65535), (4095, 0)])
def test_padding_that_no_pixel_can_hold_blackens_none(write, photometric, ends):
    elements: dict[str, Any] = {"PhotometricInterpretation": photometric}
    plain, expected = read_dicom(write(make_dicom(GREY8, **elements)))
    elements |= dict(zip(("PixelPaddingValue", "PixelPaddingRangeLimit"), ends, strict=False))
    image, intensity = read_dicom(write(make_dicom(GREY8, **elements)))
    assert intensity == expected
    np.testing.assert_array_equal(image, plain)


@pytest.mark.parametrize(("dtype", "value"), [(np.uint8, -1), (np.int8, 255), (np.uint8, 255)])
def test_padding_of_8_bits_with_either_sign(write, dtype, value):
    pixels = (GREY8 // 4).astype(dtype)
    pixels[:5] = -1 if dtype == np.int8 else 255
    if value >= 0:
        data = make_dicom(pixels, PixelPaddingValue=value)
    else:
        data = make_dicom(pixels, PixelPaddingValue=0)
        tag = struct.pack("<HH2sHH", 0x0028, 0x0120, b"US", 2, 0)
        assert tag in data
        data = data.replace(tag, struct.pack("<HH2sHh", 0x0028, 0x0120, b"SS", 2, value))
    image, intensity = read_dicom(write(data))
    assert (intensity.low, intensity.high) == (0, 63)
    assert (image[:5] == 0).all()


def test_all_padding_is_still_an_image(write):
    image, _ = read_dicom(write(make_dicom(np.zeros((4, 4), np.uint8), PixelPaddingValue=0)))
    assert image.shape == (4, 4) and not image.any()
