"""Crop and resize against torchvision's `resized_crop(antialias=True)`, on synthetic images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from kernel_inputs import make_image
from plain_views import crop_with_torchvision, psnr_db, render_windows

# Windows and sizes of views: enlarged, kept, shrunk up to 2.5 times along the lesser axis.
UNHALVED = [
    ((0, 0, 97, 89), (97, 89)),
    ((0, 0, 97, 89), (224, 224)),
    ((0, 0, 97, 89), (41, 37)),
    ((13, 7, 14, 8), (5, 3)),
    ((90, 80, 97, 89), (32, 48)),
    ((3, 0, 90, 89), (36, 89)),
    ((10, 20, 90, 25), (16, 16)),
    ((0, 0, 97, 89), (1, 80)),
]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("window", "size"), UNHALVED)
def test_equals_torchvision_where_nothing_is_halved(dtype, window, size):
    image = make_image((97, 89), dtype, 2)
    top = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    view = render_windows(image, np.array([window], np.int32), (0.0, top), size)[0]
    expected = crop_with_torchvision(image, np.array(window), size) / top
    # Torchvision's weights are float32, too.
    np.testing.assert_allclose(view, expected, atol=2e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("scale", [2.6, 3.7, 5.2, 9.0])
def test_psnr_where_the_image_is_halved(dtype: str, scale: float):
    """Odd sides at each level of the pyramid, windows at its borders."""
    image = make_image((1021, 1147), dtype, 3)
    # As smooth as an X-ray: the sensor noise of `make_image` is 3 % per pixel.
    image = uniform_filter(image, 3)
    side = round(scale * 96)
    corners = [(0, 0), (1021 - side, 1147 - side), (75, 131)]
    windows = np.array([(y, x, y + side, x + side) for y, x in corners], np.int32)
    top = float(np.iinfo(dtype).max)
    views = render_windows(image, windows, (0.0, top), (96, 96))
    for view, window in zip(views, windows, strict=True):
        expected = crop_with_torchvision(image, window, (96, 96)) / top
        assert psnr_db(view, expected) >= 45.0
        assert abs((view - expected).mean()) < 1e-3


def test_sixteen_bits_keep_their_levels():
    """A ramp of 1,000 neighbouring levels stays one: nothing rounds to 8 bits on the way."""
    image = np.tile(np.linspace(30_000, 31_000, 512).astype(np.uint16), (512, 1))
    window = np.array([(0, 0, 512, 512)], np.int32)
    view = render_windows(image, window, (0.0, 65535.0), (512, 512))[0]
    np.testing.assert_allclose(view * 65535, image, atol=0.01)
    shrunk = render_windows(image, window, (30_000.0, 31_000.0), (64, 400))[0]
    assert len(np.unique(np.rint(shrunk * 1000))) > 256
