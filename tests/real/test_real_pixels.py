"""Views of real X-rays against torchvision: PSNR of at least 45 dB, 16 bits kept.

Every file of `chest` and `formats`, whole image and many windows on pixel borders, at 224 px.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gca_dali.image.read import read_image
from plain_views import crop_with_torchvision, psnr_db, render_windows

NUM_WINDOWS = 24
LEAST_PSNR_DB = 45.0


def draw_windows_px(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return windows on pixel borders: y0, x0, y1, x1; the first is the whole image.

    Areas are log-uniform from 2 % of the image, so that views enlarge, keep and shrink.
    """
    windows = [(0, 0, *shape)]
    while len(windows) < NUM_WINDOWS:
        side, aspect = np.exp(rng.uniform(np.log(0.15), 0)), np.exp(rng.uniform(-0.4, 0.4))
        height, width = round(shape[0] * side * aspect), round(shape[1] * side / aspect)
        if 8 <= height <= shape[0] and 8 <= width <= shape[1]:
            y0, x0 = rng.integers(shape[0] - height + 1), rng.integers(shape[1] - width + 1)
            windows.append((y0, x0, y0 + height, x0 + width))
    return np.array(windows, np.int32)


@pytest.mark.parametrize(("folder", "num_files"), [("chest", 23), ("formats", 18)])
def test_psnr_against_torchvision(shared_data: Path, folder: str, num_files: int):
    worst = {}
    for path in sorted((shared_data / folder).glob("*.*")):
        image = read_image(path)
        windows_px = draw_windows_px(image.shape, np.random.default_rng(image.size))
        # On the image's own range: a 12-bit image in 16 bits earns nothing by its empty levels.
        low, high = float(image.min()), float(image.max())
        views = render_windows(image, windows_px, (low, high))
        worst[path.name] = min(
            psnr_db(view, (crop_with_torchvision(image, window) - low) / (high - low))
            for view, window in zip(views, windows_px, strict=True)
        )
    assert len(worst) >= num_files
    assert min(worst.values()) >= LEAST_PSNR_DB, worst


def test_sixteen_bits_stay(shared_data: Path):
    num_levels = {}
    for path in sorted((shared_data / "formats").glob("*16.*")):
        image = read_image(path)
        assert image.dtype == np.uint16
        low, high = float(image.min()), float(image.max())
        y0, x0 = image.shape[0] // 2 - 150, image.shape[1] // 2 - 150
        windows = np.array([(0, 0, *image.shape), (y0, x0, y0 + 300, x0 + 300)], np.int32)
        views = render_windows(image, windows, (low, high))
        # Rounded to the source's own levels, so that interpolation alone cannot make them.
        num_levels[path.name] = min(len(np.unique(np.rint(v * (high - low)))) for v in views)
        # Hardly shrunk, a view shows whether its source was cut to 8 bits on the way.
        expected = (crop_with_torchvision(image, windows[1]) - low) / (high - low)
        eight_bits = np.rint((image - low) / (high - low) * 255)
        coarse = crop_with_torchvision(eight_bits, windows[1]) / 255
        assert np.abs(views[1] - expected).max() < 1e-5 < np.abs(coarse - expected).mean()
    assert len(num_levels) == 4
    assert min(num_levels.values()) > 256, num_levels
