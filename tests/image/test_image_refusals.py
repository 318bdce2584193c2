"""What the image reader refuses, before it allocates, and that it names why."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmarks.fuzz_seeds import make_seeds
from gca_dali.image.claims import MAX_PIXELS, UnreadableImageError, check_num_pixels
from gca_dali.image.read import decode_image, read_image

Y, X = np.mgrid[:37, :53]
GREY8 = ((Y * 5 + X * 3) % 256).astype(np.uint8)
GREY16 = ((Y * 1500 + X * 700) % 65536).astype(np.uint16)


def save(pixels: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def tiff(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="minisblack")
    return file.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells of cut TIFF tags
@pytest.mark.parametrize("name", [n for n in make_seeds() if not n.startswith("dicom")])
def test_truncated_files_are_refused_unless_no_pixel_is_missing(name):
    data = make_seeds()[name]
    whole, num_refused = decode_image(data), 0
    for size in range(len(data) - 1, 0, -max(1, len(data) // 60)):
        try:
            image = decode_image(data[:size], name)
        except UnreadableImageError as error:
            num_refused += 1
            assert name in str(error)
        else:
            np.testing.assert_array_equal(image, whole, err_msg=f"{size} of {len(data)} bytes")
    assert num_refused > 30


def png_claiming(height: int, width: int) -> bytes:
    data = bytearray(save(GREY8, "PNG"))
    data[16:24] = struct.pack(">LL", width, height)
    data[29:33] = struct.pack(">L", zlib.crc32(data[12:29]))
    return bytes(data)


def jpeg_claiming(height: int, width: int) -> bytes:
    data = bytearray(save(GREY8, "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def tiff_claiming(height: int, width: int) -> bytes:
    data = tiff(GREY16)
    for tag, value in ((256, width), (257, height)):
        place = data.index(struct.pack("<HH", tag, 4))
        data = data[: place + 8] + struct.pack("<L", value) + data[place + 12 :]
    return data


@pytest.mark.parametrize("claim", [png_claiming, jpeg_claiming, tiff_claiming])
def test_huge_claims_are_refused_before_allocation(claim):
    data = claim(60000, 60000)
    tracemalloc.start()
    with pytest.raises(UnreadableImageError, match="claims 60000x60000 pixels, over 200 mega"):
        decode_image(data)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4 << 20


def test_size_limits():
    check_num_pixels("a", 10_000, MAX_PIXELS // 10_000)
    with pytest.raises(UnreadableImageError, match="over 200 megapixels"):
        check_num_pixels("a", 10_000, MAX_PIXELS // 10_000 + 1)
    with pytest.raises(UnreadableImageError, match="an empty image of 0x7 pixels"):
        check_num_pixels("a", 0, 7)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "got no bytes"),
        (b"GIF89a___", r"begins with b'GIF89a__'. Bring JPEG, PNG, TIFF or DICOM"),
        (b"\x08\x00\x05\x00CS", "may be a DICOM dataset without its file header"),
        (tiff(GREY8.astype(np.float32)), "TIFF pixels of float32.* Save one slice"),
        (tiff(GREY16.astype(np.int16)), "TIFF pixels of int16"),
        (tiff(GREY16.astype(np.uint32)), "TIFF pixels of uint32"),
        (bytes(imagecodecs.jpeg8_encode(GREY16 >> 4, bitspersample=12)), "broken JPEG data"),
    ],
    ids=["empty", "gif", "bare_dicom", "float", "signed", "uint32", "jpeg12"],
)
def test_other_files_are_refused_by_name(tmp_path, data, reason):
    path = tmp_path / "scan.dat"
    path.write_bytes(data)
    with pytest.raises(UnreadableImageError, match=reason) as caught:
        read_image(path)
    assert caught.value.path == str(path)
    assert str(path) in str(caught.value)
    assert "\n" not in caught.value.reason


def test_only_regular_files_are_opened(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "nothing", Path("/dev/zero")):
        with pytest.raises(FileNotFoundError, match=r"path must be a file, got .*Check the name"):
            read_image(path)
