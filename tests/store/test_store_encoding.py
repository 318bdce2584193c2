"""Samples of a store as they are written: plain files that every reader gives back exactly."""

from __future__ import annotations

import io
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from gca_dali.image.chunks import walk_chunks
from gca_dali.image.read import decode_image
from gca_dali.store.encoding import check_sample, decode_pixels, encode_pixels

RANDOM = np.random.default_rng(0)
Y, X = np.mgrid[:97, :131]
SMOOTH = ((np.sin(Y / 23) * np.cos(X / 31) + 1) * 30000 + RANDOM.normal(0, 90, Y.shape)).astype(
    np.uint16
)
IMAGES = {
    "smooth": SMOOTH,
    "noise": RANDOM.integers(0, 65536, (33, 35)).astype(np.uint16),
    "one": np.array([[513]], np.uint16),
    "row": np.arange(65530, 65536, dtype=np.uint16)[None],
    "column": np.arange(0, 65536, 257, dtype=np.uint16)[:, None],
    "turned": np.asfortranarray(SMOOTH),
    "black": np.zeros((9, 40), np.uint16),
}


def decode_with_dali(data: bytes) -> np.ndarray:
    import nvidia.dali.fn as fn
    from nvidia.dali import pipeline_def

    from gca_dali.steps.decode import decode_grey

    @pipeline_def(batch_size=1, num_threads=1, device_id=None)
    def define():
        encoded = fn.external_source(lambda: [np.frombuffer(data, np.uint8)], batch=True)
        return decode_grey(encoded, True, "cpu")

    return define().run()[0].at(0)[..., 0]


@pytest.mark.parametrize("name", IMAGES)
def test_every_reader_of_png_gives_the_pixels_back(name):
    pixels = IMAGES[name]
    data = encode_pixels(pixels, "png16")
    assert data == encode_pixels(pixels.copy(), "png16")
    check_sample(data, "png16", *pixels.shape)
    for read in (imagecodecs.png_decode, lambda data: decode_image(data, name), decode_with_dali):
        np.testing.assert_array_equal(read(data), pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    np.testing.assert_array_equal(decode_pixels(data, "png16", *pixels.shape), pixels)


def test_each_row_of_a_png_is_its_difference_from_the_one_above_and_it_is_small():
    data = encode_pixels(SMOOTH, "png16")
    (packed,) = (
        data[start + 8 : end - 4] for kind, start, end in walk_chunks(data) if kind == b"IDAT"
    )
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(SMOOTH.shape[0], -1)
    assert (rows[:, 0] == 2).all()
    # libpng with its own choice of filters, at its own level; it gains on slopes as long as these.
    assert len(data) < 1.05 * len(imagecodecs.png_encode(SMOOTH))


@pytest.mark.parametrize("encoding", ["jpeg", "png16", "raw8", "raw16"])
def test_what_is_written_is_what_the_index_says(encoding):
    data = encode_pixels(SMOOTH, encoding)
    check_sample(data, encoding, *SMOOTH.shape)
    with pytest.raises(ValueError, match=r"instead of|no raw"):
        check_sample(data, encoding, SMOOTH.shape[0], SMOOTH.shape[1] - 1)
