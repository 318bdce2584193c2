"""Plain PNGs by the fast way: every filter, size and depth as Pillow reads it, and what is left."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gca_dali.data.fetch import ImageFetcher, PathFetcher, make_fetcher
from gca_dali.data.manifest import Manifest
from gca_dali.image.chunks import keep_critical
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.plain_png import read_plain_png
from gca_dali.image.read import decode_image
from gca_dali_kernels.cpu.unfilter import unfilter
from make_images import encode, make_ramp, make_rare_tiffs
from odd_images import chunk

SHAPES = [(1, 1), (1, 7), (13, 1), (2, 2), (31, 17), (64, 129)]
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def filter_rows(image: np.ndarray, kinds: list[int]) -> bytes:
    """Filter as the standard writes it down, a byte at a time (ISO 15948, 9.2)."""
    size = image.itemsize
    data = image.astype(image.dtype.newbyteorder(">")).view(np.uint8).reshape(len(image), -1)
    rows, above = [], [0] * data.shape[1]
    for line, kind in zip(data.tolist(), kinds, strict=True):
        row = []
        for x, value in enumerate(line):
            left = line[x - size] if x >= size else 0
            corner = above[x - size] if x >= size else 0
            up = above[x]
            guess = left + up - corner
            nearest = min((left, up, corner), key=lambda one: abs(guess - one))
            row.append((value - (0, left, up, (left + up) // 2, nearest)[kind]) % 256)
        rows.append(bytes([kind, *row]))
        above = line
    return b"".join(rows)


def write_png(image: np.ndarray, kinds: list[int], **changes) -> bytes:
    height, width = image.shape
    fields = {"depth": 8 * image.itemsize, "colour": 0, "interlace": 0, "rows": None} | changes
    rows = filter_rows(image, kinds) if fields["rows"] is None else fields["rows"]
    head = struct.pack(
        ">2L5B", width, height, fields["depth"], fields["colour"], 0, 0, fields["interlace"]
    )
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + END


END = chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("shape", SHAPES)
def test_every_filter_is_undone(shape, kind, bits):
    dtype = np.uint8 if bits == 8 else np.uint16
    image = np.random.default_rng(kind).integers(0, 1 << bits, shape, dtype)
    data = write_png(image, [kind] * shape[0])
    found = read_plain_png(data)
    assert found is not None and found.dtype == dtype
    np.testing.assert_array_equal(found, image)
    np.testing.assert_array_equal(decode_image(data), image)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from([np.uint8, np.uint16]))
def test_any_rows_are_read_as_pillow_reads_them(data, dtype):
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 20))
    kinds = data.draw(st.lists(st.integers(0, 4), min_size=height, max_size=height))
    num_bytes = width * np.dtype(dtype).itemsize
    lines = st.binary(min_size=num_bytes, max_size=num_bytes)
    rows = b"".join(bytes([kind]) + data.draw(lines) for kind in kinds)
    png = write_png(np.zeros((height, width), dtype), kinds, rows=rows)
    expected = np.asarray(Image.open(io.BytesIO(png))).astype(dtype)
    np.testing.assert_array_equal(read_plain_png(png), expected)


def test_a_filter_that_does_not_exist_is_told():
    for dtype in (np.uint8, np.uint16):
        rows = np.array([5, *[0] * np.dtype(dtype).itemsize], np.uint8)
        assert not unfilter(rows, np.zeros((1, 1), dtype))


IMAGE = np.random.default_rng(0).integers(0, 256, (9, 11), np.uint8)
PLAIN = write_png(IMAGE, [1] * 9)
ROWS = filter_rows(IMAGE, [1] * 9)
WRONG = bytes([PLAIN[-1] ^ 1])


@pytest.mark.parametrize(
    "data",
    [
        encode(make_ramp(), "PNG", "P"),
        encode(make_ramp(), "PNG", "1"),
        encode(make_ramp(), "PNG", "RGBA"),
        encode(make_ramp(), "PNG", "LA"),
        write_png(IMAGE, [1] * 9, interlace=1),
        write_png(IMAGE, [1] * 9, rows=ROWS[:-1]),
        write_png(IMAGE, [1] * 9, rows=ROWS + b"\0"),
        write_png(IMAGE, [1] * 9, rows=b"\5" + ROWS[1:]),
        PLAIN[:-1] + WRONG,
        PLAIN[:-14] + bytes([PLAIN[-14] ^ 1]) + PLAIN[-13:],
        PLAIN[:29] + WRONG + PLAIN[30:],
        PLAIN[:-3],
        PLAIN[:60],
        PLAIN[:33] + END,
        PLAIN[:33] + chunk(b"ABCD", b"") + PLAIN[33:],
        write_png(np.zeros((0, 5), np.uint8), [], rows=b""),
        SIGNATURE,
        b"",
    ],
)
def test_other_kinds_and_faults_are_left_to_the_slower_way(data):
    assert read_plain_png(data) is None
    try:
        image = decode_image(data, "a.png")
    except UnreadableImageError as error:
        assert error.reason
    else:
        assert image.ndim == 2


def test_false_claims_allocate_nothing():
    claim = struct.pack(">2L5B", 14_000, 14_000, 16, 0, 0, 0, 0)
    data = SIGNATURE + chunk(b"IHDR", claim) + PLAIN[33:]
    assert read_plain_png(data) is None


def test_parts_and_remarks_change_nothing():
    packed = zlib.compress(ROWS)
    parts = b"".join(chunk(b"IDAT", packed[i : i + 7]) for i in range(0, len(packed), 7))
    remark = chunk(b"tEXt", b"a\0b", damage=1)
    data = PLAIN[:33] + remark + parts + remark + END + b"behind the end"
    critical, exif = keep_critical(data)
    assert critical == PLAIN[:33] + parts + END and exif == b""
    np.testing.assert_array_equal(decode_image(data), IMAGE)


def test_a_set_of_pngs_and_rare_files_passes_dali_by(tmp_path):
    (tmp_path / "a.png").write_bytes(encode(make_ramp(), "PNG"))
    assert isinstance(make_fetcher(Manifest.from_folder(tmp_path)), ImageFetcher)
    (tmp_path / "b.png").write_bytes(encode(make_ramp(16), "PNG"))
    (tmp_path / "c.tif").write_bytes(make_rare_tiffs()["white"])
    manifest = Manifest.from_folder(tmp_path)
    fetcher = make_fetcher(manifest)
    assert fetcher.gives == "images"
    first, second, third = (fetcher.fetch(row)[..., 0] for row in range(3))
    np.testing.assert_array_equal(first, make_ramp().astype(np.uint16) * 257)
    np.testing.assert_array_equal(second, make_ramp(16))
    np.testing.assert_array_equal(third, (255 - make_ramp()).astype(np.uint16) * 257)
    (tmp_path / "d.jpg").write_bytes(encode(make_ramp(), "JPEG"))
    assert not isinstance(make_fetcher(Manifest.from_folder(tmp_path)), ImageFetcher)
    jpegs = manifest.from_folder(tmp_path).where(format=["jpeg", "png"])
    assert type(make_fetcher(jpegs)) is PathFetcher
