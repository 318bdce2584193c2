"""Numbers of the law that differ from sample to sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import nvidia.dali.fn as fn
import pytest
from nvidia.dali import pipeline_def

import gca_dali.fn as gfn
from gca_dali import ViewPolicy

NUM = 6
PEAK = np.zeros((64, 64), np.float32)
PEAK[40, 12] = 1.0
SHAPES = np.tile(np.array([90, 120], np.int64), (NUM, 1))


def feed(values: np.ndarray) -> Any:
    """Return a node with a value for each sample."""
    return fn.external_source(lambda: values, batch=True)


def draw(policy: ViewPolicy, **numbers) -> gfn.Windows:
    """Return the windows of six samples whose maps have one peak."""

    @pipeline_def(batch_size=NUM, num_threads=1, device_id=None)
    def define():
        index, shapes = fn.external_source(
            lambda: (np.arange(NUM), SHAPES), num_outputs=2, batch=True
        )
        keys = gfn.keys(index, epoch=0)
        maps = gfn.saliency(keys, np.tile(PEAK, (NUM, 1, 1)))
        nodes = {
            name: feed(value) if isinstance(value, np.ndarray) else value
            for name, value in numbers.items()
        }
        return tuple(gfn.sample_windows(maps, keys, shapes, policy=policy, **nodes))

    pipeline = define()
    pipeline.build()
    return gfn.Windows(*(output.as_array() for output in pipeline.run()))


def assert_mixture(found, first, second, is_second) -> None:
    for mine, one, other in zip(found, first, second, strict=True):
        np.testing.assert_array_equal(mine[~is_second], one[~is_second])
        np.testing.assert_array_equal(mine[is_second], other[is_second])


@pytest.mark.parametrize(
    ("name", "policy", "low", "high"),
    [
        ("tau", ViewPolicy.gca_hold(size=32), 0.0, 0.9),
        ("rho", ViewPolicy.gca_relative(size=32), 0.0, 1.0),
        ("flip", ViewPolicy.gca_dino(size=32), 0.0, 1.0),
    ],
)
def test_a_number_of_each_sample(name, policy, low, high):
    is_high = np.arange(NUM) % 2 == 1
    first, second = draw(policy, **{name: low}), draw(policy, **{name: high})
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    values = np.where(is_high, high, low).astype(np.float32)
    assert_mixture(draw(policy, **{name: values}), first, second, is_high)


def test_numbers_together():
    policy = ViewPolicy.gca_hold(size=32)
    values = np.array([0, 0.5, 0.9, 0, 0.5, 0.9], np.float32)
    flips = (np.arange(NUM) % 2).astype(np.float32)
    found = draw(policy, tau=values, flip=flips)
    for b in range(NUM):
        alone = draw(policy.replace(tau=round(float(values[b]), 6), flip=float(flips[b])))
        for mine, expected in zip(found, alone, strict=True):
            np.testing.assert_array_equal(mine[b], expected[b])
    np.testing.assert_array_equal(found.turns[..., 1], np.tile(flips.astype(int)[:, None], (1, 2)))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (
            {"tau": 0.5},
            "tau must be left out unless a group has the law hold or rejection, got 0.5",
        ),
        ({"rho": 1.5}, "rho must be 0 to 1, got 1.5"),
        ({"rho": np.full(NUM, -1, np.float32)}, "rho must be 0 to 1, got -1.0"),
        ({"rho": np.zeros((NUM, 2), np.float32)}, r"rho must be one number .* got \[2\]"),
        ({"size": 0.5}, "number must be one of tau, rho, flip, got 'size'"),
    ],
)
def test_numbers_that_no_law_has(numbers, message):
    with pytest.raises((TypeError, ValueError, RuntimeError), match=message):
        draw(ViewPolicy.gca_relative(size=32), **numbers)
