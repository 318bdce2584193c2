"""DICOM files as devices and archives really write them: fragments, wrong and missing elements."""

from __future__ import annotations

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from benchmarks.fuzz_seeds import encode_frame, make_dicom, make_lut
from dicom_codestreams import edit, wrap_codestream
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom import probe_dicom, read_dicom, stored_values

Y, X = np.mgrid[:36, :52]
GREY8 = ((Y * 5 + X * 3) % 256).astype(np.uint8)
GREY12 = ((Y * 97 + X * 131) % 4096).astype(np.uint16)
SMOOTH = np.stack([Y * 6 + 20, X * 4 + 10, 200 - Y * 2 - X], -1).astype(np.uint8)
LUMA = SMOOTH @ (0.299, 0.587, 0.114)


def save_jpeg(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=98, **options)
    return file.getvalue()


def split(data: bytes, num_parts: int) -> list[bytes]:
    step = -(-len(data) // num_parts // 2) * 2
    return [data[first : first + step] for first in range(0, len(data), step)]


def list_offsets(parts: list[bytes]) -> bytes:
    sizes = [8 + len(part) + len(part) % 2 for part in parts]
    return struct.pack(f"<{len(parts)}L", *np.cumsum([0, *sizes[:-1]]))


@pytest.mark.parametrize("table", ["none", "zero", "first", "every"])
def test_one_frame_in_several_fragments(write, table):
    parts = split(encode_frame(JPEGLSLossless, GREY12, 12), 4)
    offsets = {"none": b"", "zero": bytes(4), "first": bytes(4), "every": list_offsets(parts)}
    data = wrap_codestream(GREY12, parts, JPEGLSLossless, offsets[table], bits_stored=12)
    np.testing.assert_array_equal(stored_values(write(data)), GREY12)


@pytest.mark.parametrize("num_parts", [1, 3])
@pytest.mark.parametrize("table", ["none", "zero", "first", "every", "wrong"])
@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEG2000Lossless], ids=lambda s: s.keyword)
def test_several_frames(write, syntax, table, num_parts):
    frames = np.stack([GREY12, GREY12[::-1], GREY12 // 2])
    coded = [split(encode_frame(syntax, frame, 12), num_parts) for frame in frames]
    parts = [part for frame in coded for part in frame]
    every = list_offsets(parts)
    offsets = {"none": b"", "zero": bytes(4), "every": every, "wrong": struct.pack("<3L", 0, 7, 9)}
    offsets["first"] = b"".join(every[4 * n : 4 * n + 4] for n in range(0, len(parts), num_parts))
    options: dict[str, Any] = {"bits_stored": 12, "num_frames": 3}
    path = write(wrap_codestream(frames, parts, syntax, offsets[table], **options))
    assert probe_dicom(path).num_frames == 3
    for number in range(3):
        np.testing.assert_array_equal(stored_values(path, frame=number), frames[number])


def test_frames_that_cannot_be_told_apart_are_refused_by_the_index(write):
    frames = np.stack([GREY12, GREY12[::-1]])
    parts = split(encode_frame(JPEGLSLossless, GREY12, 12), 3)
    path = write(wrap_codestream(frames, parts, JPEGLSLossless, bits_stored=12, num_frames=2))
    with pytest.raises(UnreadableImageError, match="2 frames in 3 fragments"):
        probe_dicom(path)


def name_syntax(data: bytes, syntax: UID | None) -> bytes:
    """Name another transfer syntax over the same dataset, or none."""
    place = data.index(struct.pack("<HH2s", 2, 0x10, b"UI"))
    size = 8 + struct.unpack_from("<H", data, place + 6)[0]
    name = b"" if syntax is None else syntax.encode() + b"\0" * (len(syntax) % 2)
    new = data[place : place + 6] + struct.pack("<H", len(name)) + name if name else b""
    data = data[:place] + new + data[place + size :]
    place = data.index(b"\2\0\0\0UL\4\0") + 8
    (length,) = struct.unpack_from("<L", data, place)
    return data[:place] + struct.pack("<L", length + len(new) - size) + data[place + 4 :]


@pytest.mark.parametrize(
    ("written", "named"),
    [
        (ExplicitVRLittleEndian, ImplicitVRLittleEndian),
        (ImplicitVRLittleEndian, ExplicitVRLittleEndian),
    ],
)
@pytest.mark.filterwarnings("ignore:Expected")  # pydicom's own
def test_the_other_kind_of_vr_under_a_transfer_syntax(write, written, named):
    path = write(name_syntax(make_dicom(GREY12, syntax=written, bits_stored=12), named))
    assert dcmread(path).file_meta.TransferSyntaxUID == named
    np.testing.assert_array_equal(dcmread(path).pixel_array, GREY12)
    np.testing.assert_array_equal(stored_values(path), GREY12)
    assert probe_dicom(path).height == 36


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_a_missing_transfer_syntax(write, syntax):
    path = write(name_syntax(make_dicom(GREY12, syntax=syntax, bits_stored=12), None))
    np.testing.assert_array_equal(stored_values(path), GREY12)
    path = write(name_syntax(make_dicom(GREY12, syntax=JPEGLSLossless, bits_stored=12), None))
    with pytest.raises(UnreadableImageError, match="without a Transfer Syntax UID"):
        probe_dicom(path)


@pytest.mark.parametrize("is_padded", [False, True])
@pytest.mark.parametrize("named", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, None])
@pytest.mark.filterwarnings("ignore:Expected")  # pydicom's own
def test_lengths_that_look_like_a_vr(write, named, is_padded):
    for height, width in ((200, 221), (36, 52)):
        pixels = np.arange(height * width, dtype=np.uint16).reshape(height, width)
        options: dict[str, Any] = {"DataSetTrailingPadding": bytes(64)} if is_padded else {}
        data = make_dicom(pixels, syntax=ImplicitVRLittleEndian, **options)
        path = write(data if named == ImplicitVRLittleEndian else name_syntax(data, named))
        np.testing.assert_array_equal(stored_values(path), pixels)
    # The low half of an odd length, which nobody should write, can even be that of "OW".
    pixels = (np.arange(31 * 721) % 251).astype(np.uint8).reshape(31, 721)
    data = make_dicom(pixels, syntax=ImplicitVRLittleEndian)
    tag = struct.pack("<HHL", 0x7FE0, 0x0010, pixels.size + 1)
    data = data.replace(tag, tag[:4] + struct.pack("<L", pixels.size))
    assert b"OW" in data[data.index(tag[:4]) :][:8]
    np.testing.assert_array_equal(stored_values(write(data)), pixels)


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_tables_in_bytes_under_a_missing_transfer_syntax(write, syntax):
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    reverse = np.arange(4096)[::-1].astype(f"{order}u2").tobytes()
    lut = make_lut(0, np.arange(4096))
    lut.LUTData = reverse
    data = make_dicom(GREY12, syntax=syntax, bits_stored=12, VOILUTSequence=[lut])
    path = write(name_syntax(data, None))
    probe_dicom(path)
    image, intensity = read_dicom(path)
    assert intensity.voi == "lut"
    np.testing.assert_array_equal(image, np.rint((4095 - GREY12) / 4095 * 65535))


def test_compressed_pixels_under_an_uncompressed_syntax_are_refused_by_the_index(write):
    data = make_dicom(GREY12, syntax=JPEGLSLossless, bits_stored=12)
    name = JPEGLSLossless.encode()
    data = data.replace(name, ExplicitVRLittleEndian.encode().ljust(len(name), b"\0"))
    with pytest.raises(UnreadableImageError, match="compressed pixel data under the coding"):
        probe_dicom(write(data))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize(
    "keyword",
    [
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "SamplesPerPixel",
        "PhotometricInterpretation",
    ],
)
def test_missing_elements_have_defaults(write, syntax, keyword):
    path = write(edit(make_dicom(GREY12, syntax=syntax, bits_stored=12), **{keyword: None}))
    assert probe_dicom(path).bits_stored == 12
    np.testing.assert_array_equal(stored_values(path), GREY12)
    assert read_dicom(path)[0].max() == 65535


@pytest.mark.parametrize("keyword", ["Rows", "BitsAllocated"])
def test_what_has_no_default_is_refused_by_name(write, keyword):
    with pytest.raises(UnreadableImageError, match=r"Bits Allocated|an empty image of 0x52"):
        probe_dicom(write(edit(make_dicom(GREY12), **{keyword: None})))


@pytest.mark.parametrize("stored", [8, 10, 12, 16])
def test_streams_of_8_bits_in_words_of_16(write, stored):
    baseline = save_jpeg(GREY8)
    lossless = encode_frame(JPEGLosslessSV1, GREY8, 8)
    for syntax, coded in ((JPEGBaseline8Bit, baseline), (JPEGLosslessSV1, lossless)):
        expected = imagecodecs.jpeg8_decode(coded)
        data = wrap_codestream(GREY8.astype(np.uint16), [coded], syntax, bits_stored=stored)
        path = write(data)
        assert probe_dicom(path).bits_stored == stored
        np.testing.assert_array_equal(stored_values(path), expected)


@pytest.mark.parametrize("shift", [0, 4])
def test_overlays_beside_the_stored_bits_are_masked(write, shift):
    pattern = ((Y + X) % 7 == 0).astype(np.uint16) * (0xF000 if shift == 0 else 0x000F)
    words = (GREY12 << shift) | pattern
    for syntax in (JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless):
        if syntax == RLELossless:
            data = make_dicom(words, syntax=syntax, bits_stored=12, HighBit=11 + shift)
        else:
            coded = encode_frame(syntax, words, 16)
            data = wrap_codestream(words, [coded], syntax, bits_stored=12, HighBit=11 + shift)
        np.testing.assert_array_equal(stored_values(write(data)), GREY12)


@pytest.mark.parametrize("claimed", ["RGB", "YBR_FULL", "YBR_FULL_422", "MONOCHROME2", None])
@pytest.mark.parametrize("options", [{}, {"subsampling": 2}, {"keep_rgb": True}])
def test_colours_of_a_jpeg_are_what_it_says_itself(write, claimed, options):
    elements: dict[str, Any] = {"PhotometricInterpretation": claimed, "PlanarConfiguration": 1}
    data = wrap_codestream(SMOOTH, [save_jpeg(SMOOTH, **options)], JPEGBaseline8Bit, **elements)
    path = write(data)
    probe_dicom(path)
    np.testing.assert_allclose(read_dicom(path)[0] / 257, LUMA, atol=6)


@pytest.mark.parametrize("claimed", ["MONOCHROME2", "RGB", None])
def test_three_samples_of_lossless_codings(write, claimed):
    for syntax in (ExplicitVRLittleEndian, RLELossless, JPEGLSLossless, JPEG2000Lossless):
        data = make_dicom(SMOOTH, syntax=syntax)
        path = write(edit(data, PhotometricInterpretation=claimed))
        probe_dicom(path)
        np.testing.assert_allclose(read_dicom(path)[0] / 257, LUMA, atol=1)


def test_jpeg_2000_of_transformed_colours_is_rgb_whatever_it_is_called(write):
    for transformed in (False, True):
        coded = bytes(
            imagecodecs.jpeg2k_encode(SMOOTH, codecformat="J2K", reversible=True, mct=transformed)
        )
        for claimed in ("RGB", "YBR_RCT", *(("YBR_FULL",) if transformed else ())):
            data = wrap_codestream(
                SMOOTH, [coded], JPEG2000Lossless, PhotometricInterpretation=claimed
            )
            np.testing.assert_allclose(read_dicom(write(data))[0] / 257, LUMA, atol=1)


def test_decimal_commas(write):
    elements: dict[str, Any] = {
        "WindowCenter": "900.5",
        "WindowWidth": "600.5",
        "RescaleSlope": "1.5",
    }
    data = make_dicom(GREY12, bits_stored=12, RescaleIntercept="0.5", **elements)
    expected, intensity = read_dicom(write(data))
    for value in (b"900.5", b"600.5", b"1.5", b"0.5"):
        data = data.replace(value, value.replace(b".", b","))
    image, found = read_dicom(write(data))
    assert found == intensity and found.voi == "window"
    np.testing.assert_array_equal(image, expected)
    data = data.replace(b"900,5", b"9x0,5")
    assert read_dicom(write(data))[1].voi == "full"
    with pytest.raises(UnreadableImageError, match="WindowCenter '9x0,5', which is no number"):
        read_dicom(write(data), voi="window")


def test_what_no_pixel_can_mend_is_refused_by_the_index(write):
    data = make_dicom(GREY8, RescaleSlope="1e308", RescaleIntercept="0")
    with pytest.raises(UnreadableImageError, match="a rescale by"):
        probe_dicom(write(data))
    with pytest.raises(UnreadableImageError, match="high bit 3 for 12 bits"):
        probe_dicom(write(make_dicom(GREY12, bits_stored=12, HighBit=3)))
    with pytest.raises(UnreadableImageError, match="photometric interpretation 'ARGB'"):
        probe_dicom(write(make_dicom(GREY8, PhotometricInterpretation="ARGB")))
    with pytest.raises(UnreadableImageError, match="a broken DICOM header"):
        probe_dicom(write(make_dicom(GREY8, PhotometricInterpretation="PALETTE COLOR")))
