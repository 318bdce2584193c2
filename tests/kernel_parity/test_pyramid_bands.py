"""A first level that no view reads is halved in bands: the same, to the bit, as the whole of it."""

import numpy as np
import pytest

from gca_dali_kernels.cpu.render_views import render_views
from gca_dali_kernels.law import UNITS_PER_CELL
from gca_dali_kernels.look import GroupLooks, ViewLook

SMALL = GroupLooks((ViewLook(),), (31, 29))
LARGE = GroupLooks((ViewLook(),), (200, 190), first_view=1)  # it reads the first level


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(701, 503), (640, 512), (537, 777)])
def test_a_view_is_the_same_beside_one_of_the_first_level(dtype, shape):
    image = (np.random.default_rng(0).random(shape) * 255).astype(dtype)
    maps, marks = np.ones((1, 1, 1), np.uint8), np.zeros((1, 5), np.int32)
    whole = np.tile(np.array([0, 0, UNITS_PER_CELL, UNITS_PER_CELL], np.int32), (1, 2, 1))
    turns, cutouts = np.tile(np.array([-1, 0], np.int32), (1, 2, 1)), np.zeros((1, 2, 4), np.int32)
    ranges = np.array([[0, 255]], np.float32)

    def render(*groups: GroupLooks) -> np.ndarray:
        num = len(groups)
        plan = (maps, marks, whole[:, :num], turns[:, :num], cutouts[:, :num])
        return render_views([image], ranges, plan, np.array([0]), (0, 0), groups)[0]

    alone = render(SMALL)
    np.testing.assert_array_equal(alone, render(SMALL, LARGE))
    assert 0.3 < alone.mean() < 0.7 and alone.std() > 0
