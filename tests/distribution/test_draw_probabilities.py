"""Flips, rotations, cutouts and the changes of intensity happen as often as they should."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gca_dali_kernels.cpu.integrate_maps import integrate_maps
from gca_dali_kernels.cpu.render_views import render_views
from gca_dali_kernels.cpu.sample_cutouts import sample_cutouts
from gca_dali_kernels.law import CutoutLaw, ViewLaws, WindowLaw
from gca_dali_kernels.look import GroupLooks, ViewLook
from gca_dali_kernels.tables import rotation_table
from law_statistics import LEAST_P, draw_windows, p_of

FLAT = np.full((4, 4), 9, np.uint8)
COUNT = 20_000


def assert_binomial(happened: np.ndarray, probability: float) -> None:
    """Fail if a count is not what a probability gives."""
    if probability in (0.0, 1.0):
        assert happened.mean() == probability
    else:
        test = stats.binomtest(int(happened.sum()), len(happened), probability)
        assert test.pvalue > LEAST_P


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_flips(probability: float):
    law = WindowLaw(flip=probability)
    _, turns, *_ = draw_windows(FLAT, (100, 100), law, COUNT)
    assert_binomial(turns[:, 1] == 1, probability)
    assert (turns[:, 0] == -1).all()


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_rotations(probability: float):
    law = WindowLaw(rotation=probability, rotation_degrees=45.0)
    _, turns, *_ = draw_windows(FLAT, (100, 100), law, COUNT)
    turned = turns[:, 0] >= 0
    assert_binomial(turned, probability)
    # The flip does not depend on it.
    assert_binomial(turns[turned, 1] == 1, 0.5) if turned.any() else None
    if probability == 1.0:
        counts = np.bincount(turns[:, 0], minlength=1024)
        assert p_of(stats.chisquare(counts)) > LEAST_P
        angles = np.rad2deg(np.arctan2(*rotation_table(45.0).T[::-1]))
        np.testing.assert_allclose(np.diff(angles), 90 / 1024, atol=2e-3)
        assert abs(angles.mean()) < 1e-3 and np.abs(angles).max() < 45.0


def draw_cutouts(law: CutoutLaw, count: int = COUNT) -> np.ndarray:
    """Return cutouts of the whole of a flat map, [count, 4]."""
    integrals, _ = integrate_maps(FLAT[None])
    return sample_cutouts(
        np.broadcast_to(integrals, (count, 5, 5)),
        np.broadcast_to(np.array([[[0, 0, 1024, 1024]]], np.int32), (count, 1, 4)),
        np.broadcast_to(np.array([[[-1, 0]]], np.int32), (count, 1, 2)),
        np.arange(count),
        np.broadcast_to(np.array([[100, 100]], np.int32), (count, 2)),
        (0, 0),
        ViewLaws.one(WindowLaw(), 1, law),
    )[:, 0]


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_cutouts(probability: float):
    cutouts = draw_cutouts(CutoutLaw(probability=probability, max_loss=1.0))
    assert_binomial(cutouts[:, 2] > 0, probability)


def test_cutouts_are_uniform_in_side_and_place():
    sides = (0.2, 0.6)
    cutouts = draw_cutouts(CutoutLaw(probability=1.0, side_range=sides, max_loss=1.0)) / 65536
    assert cutouts.min() >= 0.0 and cutouts.max() <= 1.0
    height, width = cutouts[:, 2] - cutouts[:, 0], cutouts[:, 3] - cutouts[:, 1]
    features = [height, width, cutouts[:, 0] / (1 - height), cutouts[:, 1] / (1 - width)]
    for feature, (low, high) in zip(features, (sides, sides, (0, 1), (0, 1)), strict=True):
        assert stats.kstest(feature, stats.uniform(low, high - low).cdf).pvalue > LEAST_P
    for i in range(4):
        for j in range(i):
            assert p_of(stats.spearmanr(features[i], features[j])) > LEAST_P


def render_flat(look: ViewLook, value: float, count: int, size: tuple[int, int]) -> np.ndarray:
    """Return one view of each of `count` flat images, [count, height, width]."""
    whole = np.broadcast_to(np.array([[[0, 0, 1024, 1024]]], np.int32), (count, 1, 4))
    upright = np.broadcast_to(np.array([[[-1, 0]]], np.int32), (count, 1, 2))
    (views,) = render_views(
        [np.full((4, 4), value, np.float32)] * count,
        np.broadcast_to(np.array([[0.0, 1.0]], np.float32), (count, 2)),
        (
            np.broadcast_to(FLAT, (count, 4, 4)),
            np.zeros((count, 5), np.int32),
            whole,
            upright,
            np.zeros((count, 1, 4), np.int32),
        ),
        np.arange(count),
        (0, 0),
        (GroupLooks((look,), size),),
    )
    return views[0]


@pytest.mark.parametrize(
    ("look", "value", "strength", "low", "high"),
    [
        (ViewLook(jitter=0.3, brightness=(0.5, 1.5)), 0.4, lambda x: x / 0.4, 0.5, 1.5),
        (ViewLook(jitter=0.3, contrast=(0.5, 1.5)), 0.3, lambda x: (x - 0.5) / -0.2, 0.5, 1.5),
        (
            ViewLook(gamma_probability=0.3, gamma=(0.5, 2.5)),
            0.5,
            lambda x: np.log(x) / np.log(0.5),
            0.5,
            2.5,
        ),
    ],
    ids=["brightness", "contrast", "gamma"],
)
def test_strengths_are_uniform(look, value, strength, low, high):
    views = render_flat(look, value, 6_000, (1, 1))[:, 0, 0].astype(float)
    changed = np.abs(views - value) > 1e-7
    assert_binomial(changed, 0.3)
    drawn = strength(views[changed])
    assert stats.kstest(drawn, stats.uniform(low, high - low).cdf).pvalue > LEAST_P


def test_solarize_and_mask_probabilities():
    views = render_flat(ViewLook(solarize=0.2), 0.75, 6_000, (1, 1))[:, 0, 0]
    assert_binomial(views < 0.5, 0.2)
    look = ViewLook(mask="soft", mask_probability=0.6)
    views = render_flat(look, 0.75, 6_000, (1, 1))[:, 0, 0]
    assert_binomial(views < 0.5, 0.6)


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_noise_moments(sigma: float):
    """The sum of four uniform numbers has kurtosis 3 − 1.2/4, and pixels are independent."""
    look = ViewLook(noise=1.0, noise_sigma=(sigma, sigma))
    views = render_flat(look, 0.5, 20, (101, 103)).astype(float)
    noise = (views - 0.5) / sigma
    count = noise.size
    assert abs(noise.mean()) < 4 / count**0.5
    assert abs(noise.std() - 1) < 4 * (1.7 / 4 / count) ** 0.5
    assert abs(stats.skew(noise.ravel())) < 4 * (6 / count) ** 0.5
    assert abs(stats.kurtosis(noise.ravel(), fisher=False) - 2.7) < 4 * (24 / count) ** 0.5
    for shifted in (noise[:, :, 1:], noise[:, 1:], noise[1:]):
        part = noise[tuple(slice(0, length) for length in shifted.shape)]
        assert abs((part * shifted).mean()) < 4 / shifted.size**0.5
    assert np.abs(noise).max() < 12**0.5 + 1e-3
