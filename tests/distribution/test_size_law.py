"""Sizes of size "area" against torchvision's RandomResizedCrop; sizes of "zoom" by their range."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms.v2 import RandomResizedCrop

from gca_dali_kernels.law import WindowLaw
from law_statistics import LEAST_P, bin_windows, draw_windows, p_of, quantile_edges, two_sample_p

FLAT = np.full((16, 12), 9, np.uint8)
COUNT = 20_000


def draw_with_torchvision(shape, scale, ratio, count) -> np.ndarray:
    """Return torchvision's windows in shares of the sides, [count, 4]."""
    torch.manual_seed(3)
    crop = RandomResizedCrop(8, scale=scale, ratio=ratio)
    image = torch.empty(1, 1, 1).expand(1, *shape)
    rows = [crop.make_params([image]) for _ in range(count)]
    windows = [(r["top"], r["left"], r["top"] + r["height"], r["left"] + r["width"]) for r in rows]
    return np.array(windows) / np.array(shape * 2)


@pytest.mark.parametrize(
    ("shape", "scale", "ratio"),
    [
        # Sides of many pixels: torchvision rounds windows to pixels, we to 1/256 of a cell.
        ((20_000, 20_000), (0.2, 1.0), (3 / 4, 4 / 3)),
        ((20_000, 15_000), (0.08, 1.0), (3 / 4, 4 / 3)),
        ((10_000, 19_000), (0.05, 0.4), (1 / 2, 2.0)),
    ],
)
def test_same_law_as_torchvision(shape, scale, ratio):
    law = WindowLaw(size_range=scale, aspect_range=ratio)
    ours, *_ = draw_windows(FLAT, shape, law, COUNT)
    theirs = draw_with_torchvision(shape, scale, ratio, COUNT // 2)
    edges = quantile_edges(theirs, (5, 4, 3, 3))
    assert two_sample_p(bin_windows(ours, edges), bin_windows(theirs, edges)) > LEAST_P


def test_an_area_that_fits_no_aspect_keeps_its_area():
    """Torchvision takes a central strip; we keep the area drawn and fill the narrow side."""
    law = WindowLaw(size_range=(0.8, 0.8))
    windows, *_ = draw_windows(FLAT, (100, 1000), law, 500)
    height, width = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
    assert (height == 1.0).all()
    np.testing.assert_allclose(width, 0.8, atol=1e-3)


def test_zoom_is_uniform_and_keeps_the_aspect():
    law = WindowLaw(size="zoom", size_range=(1.0, 2.0))
    windows, *_ = draw_windows(FLAT, (100, 1000), law, COUNT)
    height, width = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
    np.testing.assert_allclose(height, width, atol=1 / 256 / 12)
    assert stats.kstest(1 / height, stats.uniform(1.0, 1.0).cdf).pvalue > LEAST_P


def test_views_and_purposes_are_independent():
    """Size, place and the second view's place share no word."""
    law = WindowLaw(size_range=(0.1, 0.3))
    windows, turns, *_ = draw_windows(FLAT, (500, 500), law, COUNT)
    other, *_ = draw_windows(FLAT, (500, 500), law, COUNT, seed=1)
    height, width = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
    features = [
        height * width,
        height / width,
        windows[:, 0] / (1 - height),
        windows[:, 1] / (1 - width),
        turns[:, 1].astype(float),
        other[:, 0],
        other[:, 1],
    ]
    for i, first in enumerate(features):
        for second in features[:i]:
            assert p_of(stats.spearmanr(first, second)) > LEAST_P / 10
