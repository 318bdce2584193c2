"""The compiled passes over DICOM pixels against plain NumPy, and the memory that they share."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRBigEndian, JPEGLSLossless, RLELossless

from benchmarks.fuzz_seeds import make_dicom
from gca_dali.image.dicom import jpeg_parts as parts
from gca_dali.image.dicom import read, read_dicom
from gca_dali.image.dicom.entropy import count_blocks
from gca_dali.image.dicom.huffman import make_steps, read_tables
from gca_dali.image.dicom.levels import StoredValues, look_up
from gca_dali.image.dicom.pixels import decode_frame
from gca_dali.image.untrusted import DecoderPool
from gca_dali.image.untrusted_worker import ImageMemory

RANDOM = np.random.default_rng(0)
TABLE = RANDOM.integers(0, 65536, 65536).astype(np.uint16)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 5), (7, 11), (64, 65)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_code_is_looked_up(shape, dtype):
    codes = RANDOM.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    codes.flat[0] = np.iinfo(dtype).max
    image = look_up(codes, TABLE)
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, TABLE[codes])
    assert codes.flags.writeable


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
def test_values_with_signs_find_their_levels(dtype):
    values = RANDOM.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (9, 31), dtype)
    pixels = StoredValues(values)
    levels = (pixels.stored - pixels.stored[0]).astype(np.uint16)
    image = look_up(pixels.codes, pixels.spread(levels))
    np.testing.assert_array_equal(image, values.astype(int) - pixels.stored[0])
    np.testing.assert_array_equal(pixels.count(2), count(values[::2], pixels.stored))


def count(values: np.ndarray, stored: np.ndarray) -> np.ndarray:
    return np.bincount(values.astype(int).ravel() - stored[0], minlength=stored.size)


def encode_jpegs() -> list[bytes]:
    y, x = np.mgrid[:61, :83]
    smooth = ((np.sin(y / 9) * np.cos(x / 7) + 1) * 120).astype(np.uint8)
    codestreams = []
    for noise in (0, 3, 90):
        image = (smooth + RANDOM.integers(0, noise + 1, smooth.shape)).clip(0, 255).astype(np.uint8)
        for quality in (5, 60, 95, 100):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "JPEG", quality=quality, optimize=noise == 3)
            codestreams.append(file.getvalue())
        deep = image.astype(np.uint16) * 16 + RANDOM.integers(0, 16, image.shape).astype(np.uint16)
        codestreams += [
            bytes(imagecodecs.jpeg8_encode(deep, level=level, bitspersample=12))
            for level in (20, 100)
        ]
    return codestreams


@pytest.mark.parametrize("codestream", encode_jpegs())
def test_steps_taken_together_lead_where_single_ones_do(codestream):
    tables, frame = {}, None
    for segment in parts.walk_segments(codestream, 2):
        if segment.marker in parts.FRAMES:
            frame = parts.read_frame(segment)
        elif segment.marker == parts.TABLES:
            tables.update(read_tables(segment.content))
        elif segment.marker == parts.SCAN:
            break
    assert frame is not None
    start = parts.read_scan(segment).start
    full, fast = make_steps(tables[0], tables[16])
    num_units = -(-frame.height // 8) * -(-frame.width // 8)
    units = np.array([(0, 1)], np.int64), num_units, 0

    def walk(data: bytes, together: np.ndarray) -> int:
        """Return the marker behind the data; how far is read ahead of it may differ."""
        place = count_blocks(np.frombuffer(data, np.uint8), start, full, together, *units)
        return place if place < 0 else parts.find_marker(data, place)

    one_by_one = np.zeros_like(fast)
    end = walk(codestream, fast)
    assert end == walk(codestream, one_by_one) == len(codestream) - 2
    for place in RANDOM.integers(start, end, 200).tolist():
        assert walk(codestream[:place], fast) == walk(codestream[:place], one_by_one)
        broken = bytearray(codestream)
        broken[place] ^= 1 << int(RANDOM.integers(8))
        assert walk(bytes(broken), fast) == walk(bytes(broken), one_by_one)


def test_one_worker_gives_each_image_its_own_pixels(tmp_path):
    """Sizes, depths, colours and codings in turn: nothing of the image before shows through."""
    deep = RANDOM.integers(0, 4096, (40, 50)).astype(np.uint16)
    frames = RANDOM.integers(0, 256, (3, 5, 7)).astype(np.uint8)
    colour = RANDOM.integers(0, 256, (30, 21, 3)).astype(np.uint8)
    files = {
        "large": (make_dicom(np.tile(deep, (3, 3)), bits_stored=12), 0),
        "runs": (make_dicom(deep, syntax=RLELossless, bits_stored=12), 0),
        "odd frame": (make_dicom(frames, syntax=ExplicitVRBigEndian, num_frames=3), 1),
        "colour": (make_dicom(colour), 0),
        "near": (make_dicom(deep[:9, :7].copy(), syntax=JPEGLSLossless, bits_stored=12), 0),
        "signed": (make_dicom(deep.astype(np.int16) - 2048), 0),
        "one": (make_dicom(frames[0, :1, :1].copy()), 0),
    }
    for name, (data, _) in files.items():
        (tmp_path / name).write_bytes(data)
    with DecoderPool(num_workers=1) as pool:
        for name in [*files, *reversed(files)] * 2:
            frame = files[name][1]
            expected, intensity = read_dicom(tmp_path / name, frame=frame)
            image, found = pool.read(tmp_path / name, frame=frame)
            np.testing.assert_array_equal(image, expected, err_msg=name)
            assert found == intensity


def test_an_image_that_lies_elsewhere_in_the_memory_is_moved_to_its_place(tmp_path):
    with open(tmp_path / "memory", "w+b") as file:
        memory = ImageMemory(file.fileno())
        raw = memory.allocate((100,), np.uint8)
        raw[:] = np.arange(100)
        memory.put(raw[1:100].reshape(9, 11), None)
        np.testing.assert_array_equal(memory.allocate((99,), np.uint8), np.arange(1, 100))
        turned = memory.allocate((4, 5), np.uint16)
        turned[:] = np.arange(20).reshape(4, 5)
        memory.put(turned.T, TABLE)
        expected = np.arange(20).reshape(4, 5).T
        np.testing.assert_array_equal(memory.allocate((5, 4), np.uint16), expected)
        np.testing.assert_array_equal(np.fromfile(file.name, np.uint16, 65536), TABLE)


def test_a_file_that_became_shorter_shows_nothing_of_another(tmp_path, monkeypatch):
    path = tmp_path / "a.dcm"
    path.write_bytes(make_dicom(np.full((20, 20), 7, np.uint16)))

    def decode_late(file, frame, allocate):
        path.write_bytes(path.read_bytes()[:-300])
        return decode_frame(file, frame, allocate)

    monkeypatch.setattr(read, "decode_frame", decode_late)
    with pytest.raises(ValueError, match="a file that became shorter"):
        read.read_levels(path, frame=0, voi="auto")
