"""`sample_cutouts`: by hand, reference against Numba to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from gca_dali_kernels.cpu import sample_cutouts as cpu
from gca_dali_kernels.law import CutoutLaw, ViewLaws, WindowLaw
from gca_dali_kernels.reference import sample_cutouts as reference
from gca_dali_kernels.reference.integrate_maps import integrate_maps
from kernel_cases import cutout_cases
from kernel_inputs import CutoutCase

WHOLE = np.array([[[0, 0, 768, 768]]], np.int32)
UPRIGHT = np.array([[[-1, 0]]], np.int32)
FLIPPED = np.array([[[-1, 1]]], np.int32)


def sample_one(module, saliency, cutout_law, index, turns=UPRIGHT):
    """Return the cutout of the whole of a 3 × 3 map."""
    integrals, _ = integrate_maps(np.array([saliency], np.uint8))
    shapes = np.array([[30, 30]], np.int32)
    laws = ViewLaws.one(WindowLaw(), 1, cutout_law)
    cutouts = module.sample_cutouts(
        integrals, WHOLE, turns, np.array([index]), shapes, (0, 0), laws
    )
    return cutouts[0, 0].tolist()


@pytest.mark.parametrize("module", [reference, cpu], ids=["reference", "cpu"])
def test_by_hand(module):
    """A third of the view may hide nothing of the left column: it stays right of it."""
    law = CutoutLaw(probability=1.0, side_range=(1 / 3, 1 / 3), max_loss=0.0, num_redraws=50)
    saliency = [[9, 0, 0], [9, 0, 0], [9, 0, 0]]
    for index in range(20):
        y0, x0, y1, x1 = sample_one(module, saliency, law, index)
        assert (y1 - y0, x1 - x0) == (21845, 21845)
        # 1/65536 of a view of 768 units: the last of the column's units may be cut off.
        assert x0 >= 65536 // 3 - 65536 // 768
        y0, x0, y1, x1 = sample_one(module, saliency, law, index, FLIPPED)
        assert x1 <= 2 * 65536 // 3 + 65536 // 768


@pytest.mark.parametrize("module", [reference, cpu], ids=["reference", "cpu"])
def test_no_place_no_cutout(module):
    law = CutoutLaw(probability=1.0, side_range=(0.9, 0.9), max_loss=0.5)
    assert sample_one(module, [[0, 0, 0], [0, 9, 0], [0, 0, 0]], law, 1) == [0, 0, 0, 0]
    # Nothing to lose: on a map without mass any place is taken.
    y0, x0, y1, x1 = sample_one(module, np.zeros((3, 3)), law, 1)
    assert (y1 - y0, x1 - x0) == (round(0.9 * 65536),) * 2


@pytest.mark.parametrize("case", cutout_cases(), ids=lambda case: case.name)
def test_parity(case: CutoutCase):
    cutouts = cpu.sample_cutouts(*case.inputs)
    np.testing.assert_array_equal(cutouts, case.expected, strict=True)
    if case.name.startswith("never"):
        assert not cutouts.any()
