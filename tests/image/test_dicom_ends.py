"""A codestream that ends early inside whole fragments is refused, whatever its coding."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import (
    JPEG2000,
    UID,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from dicom_codestreams import wrap_codestream
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom import stored_values

Y, X = np.mgrid[:40, :53]
NOISE = np.random.default_rng(0).integers(0, 9, (40, 53))
GREY8 = ((np.sin(Y / 9) * np.cos(X / 7) + 1) * 120 + NOISE).astype(np.uint8)
GREY12 = (GREY8.astype(np.uint16) * 16 + NOISE).astype(np.uint16)
COLOUR = np.stack([GREY8, GREY8[::-1], GREY8[:, ::-1]], -1)


def save(pixels: np.ndarray, kind: str, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def save_jpeg(pixels: np.ndarray, **options) -> bytes:
    return save(pixels, "JPEG", quality=90, **options)


def encode_wavelet(pixels: np.ndarray, **options) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="J2K", bitspersample=12, **options))


CASES: dict[str, tuple[UID, np.ndarray, bytes]] = {
    "baseline": (JPEGBaseline8Bit, GREY8, save_jpeg(GREY8)),
    "baseline restarts": (JPEGBaseline8Bit, GREY8, save_jpeg(GREY8, restart_marker_blocks=3)),
    "baseline colour": (JPEGBaseline8Bit, COLOUR, save_jpeg(COLOUR, subsampling=2)),
    "baseline colour whole": (JPEGBaseline8Bit, COLOUR, save_jpeg(COLOUR, subsampling=0)),
    "extended": (
        JPEGExtended12Bit,
        GREY12,
        bytes(imagecodecs.jpeg8_encode(GREY12, level=90, bitspersample=12)),
    ),
    "lossless": (
        JPEGLosslessSV1,
        GREY12,
        bytes(imagecodecs.jpeg8_encode(GREY12, lossless=True, bitspersample=12)),
    ),
    "jpeg-ls": (JPEGLSLossless, GREY12, bytes(imagecodecs.jpegls_encode(GREY12))),
    "jpeg-ls near": (JPEGLSNearLossless, GREY12, bytes(imagecodecs.jpegls_encode(GREY12, level=3))),
    "jpeg 2000": (JPEG2000Lossless, GREY12, encode_wavelet(GREY12, reversible=True)),
    "jpeg 2000 lossy": (JPEG2000, GREY12, encode_wavelet(GREY12, level=60)),
    "jpeg 2000 tiles": (
        JPEG2000Lossless,
        GREY12,
        save(GREY12, "JPEG2000", no_jp2=True, tile_size=(16, 16)),
    ),
    "htj2k": (HTJ2KLossless, GREY12, bytes(imagecodecs.htj2k_encode(GREY12, reversible=True))),
}


@pytest.fixture
def read(tmp_path):
    """Give a function that reads the stored values of a codestream in a file."""

    def read_codestream(name: str, data: bytes) -> np.ndarray:
        syntax, pixels, _ = CASES[name]
        path = tmp_path / "image.dcm"
        bits = 8 if pixels.itemsize == 1 else 12
        path.write_bytes(wrap_codestream(pixels, [data], syntax, bits_stored=bits))
        return stored_values(path)

    return read_codestream


@pytest.mark.parametrize("name", CASES)
def test_cuts_are_refused(read, name):
    _, _, data = CASES[name]
    whole = read(name, data)
    # The last bytes one by one, where only the last pixels would be wrong; then coarser.
    cuts = [*range(4, 40), *range(40, len(data) - 20, len(data) // 37)]
    for num_bytes in cuts:
        for end in (b"", data[-2:]):
            try:
                values = read(name, data[:-num_bytes] + end)
            except UnreadableImageError as error:
                assert "\n" not in error.reason
            else:
                # What was cut may have been padding.
                assert num_bytes == 4
                np.testing.assert_array_equal(values, whole)


@pytest.mark.parametrize("name", CASES)
def test_a_missing_end_marker_alone_does_no_harm(read, name):
    _, _, data = CASES[name]
    try:
        values = read(name, data[:-2])
    except UnreadableImageError:
        # A last byte of zeros looks like the padding of a fragment.
        assert data[-3] == 0
    else:
        np.testing.assert_array_equal(values, read(name, data))


def test_scans_one_after_another(read):
    """Three scans, not interleaved: the writer of Pillow has none, so they are put together."""
    parts = [save_jpeg(COLOUR[..., channel]) for channel in range(3)]
    frame, scan = (parts[0].index(mark) for mark in (b"\xff\xc0", b"\xff\xda"))
    header = bytearray(parts[0][:frame])
    header += b"\xff\xc0" + (8 + 9).to_bytes(2, "big") + parts[0][frame + 4 : frame + 9]
    header += bytes((3, *(n for c in (1, 2, 3) for n in (c, 0x11, 0))))
    middle = parts[0][frame + 2 + 11 : scan]
    data = bytes(header) + middle
    for number, part in enumerate(parts, 1):
        data += b"\xff\xda\0\x08\x01" + bytes((number, 0, 0, 63, 0))
        data += part[part.index(b"\xff\xda") + 10 : -2]
    whole = read("baseline colour", data + b"\xff\xd9")
    for channel, part in enumerate(parts):
        np.testing.assert_array_equal(whole[..., channel], np.asarray(Image.open(io.BytesIO(part))))
    with pytest.raises(UnreadableImageError, match="ends"):
        read("baseline colour", data[: data.rindex(b"\xff\xda")] + b"\xff\xd9")
    with pytest.raises(UnreadableImageError, match="ends early"):
        read("baseline colour", data[:-9] + b"\xff\xd9")
