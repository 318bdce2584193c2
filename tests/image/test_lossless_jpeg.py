"""Lossless JPEG against a writer of our own: every precision, predictor, modulus and restart."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from pydicom.uid import JPEGLossless, JPEGLosslessSV1

from benchmarks.fuzz_seeds import encode_frame, make_dicom
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom import stored_values
from gca_dali.image.dicom.jpeg import JpegError, decode_jpeg
from lossless_jpeg import encode_lossless

PRECISIONS = range(2, 17)
PREDICTORS = range(1, 8)


def make_pixels(precision: int, shape: tuple[int, ...] = (19, 23)) -> np.ndarray:
    """Make noise between black and white, whose differences wrap, beside a smooth ramp."""
    top = (1 << precision) - 1
    noise = np.random.default_rng(precision).integers(0, top + 1, shape)
    noise[::3] = np.where(np.arange(shape[1]).reshape(-1, *(1,) * (len(shape) - 2)) % 2, 0, top)
    noise[1::5] = top * np.arange(shape[1]).reshape(-1, *(1,) * (len(shape) - 2)) // shape[1]
    return noise.astype(np.uint8 if precision <= 8 else np.uint16)


def test_the_writer_agrees_with_a_decoder_of_others():
    for precision in (8, 12, 16):
        pixels = make_pixels(precision)
        for predictor in PREDICTORS:
            data = encode_lossless(pixels, precision, predictor)
            np.testing.assert_array_equal(imagecodecs.jpeg8_decode(data), pixels)


@pytest.mark.parametrize("predictor", PREDICTORS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_differences_wrap_by_the_standard_and_by_the_precision(precision, predictor):
    pixels = make_pixels(precision)
    for modulus in {16, precision}:
        data = encode_lossless(pixels, precision, predictor, modulus)
        samples, _ = decode_jpeg(data, "MONOCHROME2")
        assert samples.dtype == pixels.dtype
        np.testing.assert_array_equal(samples, pixels)


@pytest.mark.parametrize("predictor", [1, 6])
def test_restarts_components_and_point_transform(predictor):
    pixels = make_pixels(12)
    for rows in (1, 2, 7):
        data = encode_lossless(pixels, 12, predictor, restart_rows=rows)
        np.testing.assert_array_equal(decode_jpeg(data, "MONOCHROME2")[0], pixels)
    colours = make_pixels(8, (9, 11, 3))
    samples, photometric = decode_jpeg(encode_lossless(colours, 8, predictor), "RGB")
    np.testing.assert_array_equal(samples, colours)
    assert photometric == "RGB"
    data = encode_lossless(pixels, 12, predictor, modulus=12, low=3)
    np.testing.assert_array_equal(decode_jpeg(data, "MONOCHROME2")[0], pixels >> 3 << 3)


def test_long_codes_and_optimal_tables():
    pixels = make_pixels(16, (64, 64))
    for predictor in PREDICTORS:
        data = imagecodecs.jpeg8_encode(
            pixels, lossless=True, predictor=predictor, bitspersample=16, optimize=True
        )
        np.testing.assert_array_equal(decode_jpeg(bytes(data), "MONOCHROME2")[0], pixels)


@pytest.mark.parametrize("restart_rows", [0, 4])
def test_every_cut_is_refused_and_a_missing_end_marker_is_not(restart_rows):
    pixels = make_pixels(10)
    data = encode_lossless(pixels, 10, 1, restart_rows=restart_rows)
    assert data.endswith(b"\xff\0\xff\xd9")
    for whole in (data, data[:-2], data[:-1], data + bytes(3), data[:-2] + b"\0"):
        np.testing.assert_array_equal(decode_jpeg(whole, "MONOCHROME2")[0], pixels)
    # End marker, the zero behind a last byte of ones, and that byte.
    for num_bytes in range(2 + 2, len(data) - 2):
        for end in (b"", b"\xff\xd9", b"\0", b"\0\0\xff\xd9"[2:]):
            with pytest.raises(JpegError, match=r"ends|lacks|restarts inside|of 0 frames"):
                decode_jpeg(data[:-num_bytes] + end, "MONOCHROME2")


def test_a_code_that_no_table_has_is_refused():
    data = encode_lossless(make_pixels(10), 10)
    start = data.index(b"\xff\xda") + 10
    with pytest.raises(JpegError, match="ends early or is broken"):
        decode_jpeg(data[:start] + b"\xff\0" * 40 + data[start:], "MONOCHROME2")


@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1], ids=lambda s: s.keyword)
def test_stored_values_of_a_device_that_wraps_by_the_precision(tmp_path, syntax):
    pixels = make_pixels(12)
    data = make_dicom(pixels, syntax=JPEGLosslessSV1, bits_stored=12)
    coded = encode_frame(JPEGLosslessSV1, pixels, 12)
    for predictor in PREDICTORS if syntax == JPEGLossless else (1,):
        wrapped = encode_lossless(pixels, 12, predictor, modulus=12)
        path = tmp_path / "wrapped.dcm"
        name = syntax.encode().ljust(len(JPEGLosslessSV1), b"\0")
        path.write_bytes(exchange(data, coded, wrapped).replace(JPEGLosslessSV1.encode(), name))
        np.testing.assert_array_equal(stored_values(path), pixels)


def exchange(data: bytes, old: bytes, new: bytes) -> bytes:
    """Put another codestream into the only fragment of a file."""
    old, new = old + b"\0" * (len(old) % 2), new + b"\0" * (len(new) % 2)
    place = data.index(old)
    return data[: place - 4] + len(new).to_bytes(4, "little") + new + data[place + len(old) :]


def test_more_bits_than_are_allocated_are_refused(tmp_path):
    pixels = make_pixels(8)
    data = make_dicom(pixels, syntax=JPEGLosslessSV1)
    deep = encode_lossless(pixels.astype(np.uint16) * 16, 12)
    path = tmp_path / "deep.dcm"
    path.write_bytes(exchange(data, encode_frame(JPEGLosslessSV1, pixels, 8), deep))
    with pytest.raises(UnreadableImageError, match="codestream of 12 bits for pixels of 8 bits"):
        stored_values(path)
