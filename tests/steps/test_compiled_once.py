"""Numba compiles for each layout and for read-only arrays: a loader must not pay for it twice."""

from __future__ import annotations

import numpy as np

from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.steps.views import make_views
from gca_dali.steps.windows import plan_views
from gca_dali_kernels.cpu.finish_views import finish_views
from gca_dali_kernels.cpu.render_views import compile_finishing, compile_resampling
from gca_dali_kernels.cpu.resample_views import resample_views
from gca_dali_kernels.cpu.sample_cutouts import cutout_part
from gca_dali_kernels.cpu.sample_windows import sample_part

KERNELS = sample_part, cutout_part, resample_views, finish_views
KEY = 3, 0
POLICY = ViewPolicy.gca(size=32)


def views_of(images: list[np.ndarray], index: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(0)
    maps = random.integers(0, 256, (len(images), 16, 16), np.uint8)
    shapes = np.array([image.shape for image in images], np.int32)
    plan = plan_views(maps, index, shapes, KEY, POLICY)
    ranges = np.tile(np.array([0.0, 255.0], np.float32), (len(images), 1))
    (views,) = make_views(images, ranges, plan, index, KEY, POLICY)
    return views


def test_memory_maps_and_a_column_of_keys_take_the_kernels_of_arrays() -> None:
    random = np.random.default_rng(1)
    images = [random.integers(0, 256, (90, 70), np.uint8) for _ in range(3)]
    keys = np.array([[4, 0], [1, 0], [9, 0]])
    views = views_of(images, keys[:, 0].copy())
    numbers = [len(kernel.signatures) for kernel in KERNELS]

    frozen = [np.frombuffer(image.tobytes(), np.uint8).reshape(image.shape) for image in images]
    assert not frozen[0].flags.writeable
    again = views_of(frozen, keys[:, 0])
    assert [len(kernel.signatures) for kernel in KERNELS] == numbers
    np.testing.assert_array_equal(again, views)
    assert images[0].flags.writeable, "the caller's image was changed"


def test_what_is_compiled_ahead_is_what_a_batch_takes() -> None:
    for dtype in ("uint8", "uint16"):
        views_of([np.zeros((90, 70), dtype)], np.zeros(1, np.int64))
        numbers = [len(kernel.signatures) for kernel in KERNELS]
        compile_resampling(dtype)
        compile_finishing()
        assert [len(kernel.signatures) for kernel in KERNELS] == numbers
