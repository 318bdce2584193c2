"""DICOM codings on files made here: every stored value comes back, from any syntax and place."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import encapsulate
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

from benchmarks.fuzz_seeds import CODECS, encode_frame, make_dicom
from dicom_codestreams import wrap_codestream
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom import probe_dicom, read_dicom, stored_values
from gca_dali.image.dicom.codestream import read_frame_shape

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


def make_runs(pixels: np.ndarray, paddings: list[bytes]) -> bytes:
    """Write a frame of run lengths with bytes behind each of its segments."""
    planes = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    parts = [
        bytes(imagecodecs.packbits_encode(planes[first :: pixels.itemsize])) + padding
        for first, padding in enumerate(paddings)
    ]
    starts = [64 + sum(map(len, parts[:number])) for number in range(len(parts))]
    header = struct.pack("<16L", len(parts), *starts, *[0] * (15 - len(parts)))
    return header + b"".join(parts)


@pytest.mark.parametrize("padding", [b"", b"\0", b"\0\0", bytes(3), bytes(64), bytes(4001)])
def test_padding_behind_run_lengths(write, padding):
    for pixels, paddings in (
        (GREY8, [padding]),
        (GREY12, [b"", padding]),
        (GREY12, [padding, b""]),
        (GREY12, [padding, padding]),
    ):
        runs = make_runs(pixels, paddings)
        path = write(wrap_codestream(pixels, [runs], RLELossless))
        values = stored_values(path)
        assert values.dtype == pixels.dtype
        np.testing.assert_array_equal(values, pixels)


def test_last_run_may_go_beyond_the_pixels(write):
    pixels = np.full((1, 300), 7, np.uint8)
    runs = struct.pack("<16L", 1, 64, *[0] * 14) + b"\x81\7" * 3
    values = stored_values(write(wrap_codestream(pixels, [runs], RLELossless)))
    np.testing.assert_array_equal(values, pixels)


def test_too_few_or_hostile_run_lengths_are_refused(write):
    whole = make_runs(GREY12, [b"", b""])
    for cut in (2, 4, 40):
        runs = whole[: len(whole) // 2 * 2 - cut]  # of even length, or a zero would be put behind
        with pytest.raises(UnreadableImageError, match=r"in a segment of run|INPUT_CORRUPT"):
            stored_values(write(wrap_codestream(GREY12, [runs], RLELossless)))
    # 64 MiB out of 1 MiB.
    path = write(wrap_codestream(GREY8, [make_runs(GREY8, [b"\x81\0" * (1 << 19)])], RLELossless))
    tracemalloc.start()
    with pytest.raises(UnreadableImageError, match="broken pixel data"):
        stored_values(path)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 8 << 20


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
