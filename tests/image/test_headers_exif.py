"""EXIF blocks on which DALI's decoders crash the process are refused when files are indexed."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gca_dali.image.headers import read_header


def exif(orientation: int, order: bytes = b"II*\0") -> bytes:
    return order + struct.pack("<IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def save_png(path: Path, *chunks: bytes) -> Path:
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:])
    return path


def chunk(data: bytes, damage: int = 0) -> bytes:
    checksum = zlib.crc32(b"eXIf" + data) ^ damage
    return struct.pack(">I", len(data)) + b"eXIf" + data + struct.pack(">I", checksum)


def save_jpeg(path: Path, *blocks: bytes) -> Path:
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10)).save(path)
    data = path.read_bytes()
    segments = [b"\xff\xe1" + struct.pack(">H", len(b) + 8) + b"Exif\0\0" + b for b in blocks]
    path.write_bytes(data[:2] + b"".join(segments) + data[2:])
    return path


def test_one_sound_block_turns_the_image(tmp_path):
    for header in (
        read_header(save_png(tmp_path / "a.png", chunk(exif(6)))),
        read_header(save_jpeg(tmp_path / "a.jpg", exif(6))),
    ):
        assert (header.height, header.width) == (10, 6)


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(exif(6), damage=1)],
        [chunk(exif(1)), chunk(exif(6))],
        [chunk(exif(6, order=b"MX*\0"))],
        [chunk(b"Exif\0\0" + exif(6))],
    ],
)
def test_a_png_with_a_damaged_or_repeated_block_is_refused(tmp_path, chunks):
    with pytest.raises(ValueError, match="damaged or repeated eXIf chunk"):
        read_header(save_png(tmp_path / "a.png", *chunks))


def test_a_jpeg_with_two_blocks_is_refused(tmp_path):
    with pytest.raises(ValueError, match="JPEG with two EXIF blocks"):
        read_header(save_jpeg(tmp_path / "a.jpg", exif(1), exif(6)))
