"""`integrate_maps`: by hand, reference against Numba, quantisation."""

from __future__ import annotations

import numpy as np
import pytest

from gca_dali_kernels.cpu import integrate_maps as cpu
from gca_dali_kernels.reference import integrate_maps as reference
from kernel_cases import map_cases
from kernel_inputs import MapCase, make_map

BY_HAND = np.array([[[0, 10, 0], [20, 100, 5], [0, 0, 3]]], np.uint8)


@pytest.mark.parametrize("module", [reference, cpu], ids=["reference", "cpu"])
def test_by_hand(module):
    integrals, marks = module.integrate_maps(BY_HAND)
    expected = [[0, 0, 0, 0], [0, 0, 10, 10], [0, 20, 130, 135], [0, 20, 130, 138]]
    assert integrals.dtype == np.uint32
    assert integrals[0].tolist() == expected
    # 10 · 10 > 1 · 100 is false: only 20 and 100 are above a tenth of the range.
    # At most 7 of 9 cells may be black: 7 are below 11 … 20, 8 below 21.
    assert marks.dtype == np.int32
    assert marks[0].tolist() == [1, 0, 2, 2, 20]


@pytest.mark.parametrize("module", [reference, cpu], ids=["reference", "cpu"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # No cell exceeds a tenth of no range: the whole map, and nothing may be hidden.
        ("zero", [0, 0, 3, 4, 0]),
        ("flat", [0, 0, 3, 4, 37]),
        # All but one cell would be 92 %: more than 80, so none is hidden but by a level of 0.
        ("one_hot", None),
    ],
)
def test_degenerate(module, kind, expected):
    saliency = make_map(kind, (3, 4))
    _, marks = module.integrate_maps(saliency[None])
    if expected is None:
        row, column = (int(where[0]) for where in np.nonzero(saliency))
        expected = [row, column, row + 1, column + 1, 0]
    assert marks[0].tolist() == expected


@pytest.mark.parametrize("case", map_cases(), ids=lambda case: case.name)
@pytest.mark.parametrize("num_threads", [1, 3])
def test_parity(case: MapCase, num_threads: int):
    expected = reference.integrate_maps(case.maps)
    integrals, marks = cpu.integrate_maps(case.maps, num_threads)
    np.testing.assert_array_equal(integrals, expected[0], strict=True)
    np.testing.assert_array_equal(marks, expected[1], strict=True)


@pytest.mark.parametrize("case", map_cases(), ids=lambda case: case.name)
def test_hard_mask_hides_at_most_80_percent(case: MapCase):
    _, marks = cpu.integrate_maps(case.maps)
    for saliency, mark in zip(case.maps, marks, strict=True):
        hidden = (saliency < mark[4]).mean()
        assert hidden <= 0.8
        if mark[4] < 255:
            assert (saliency <= mark[4]).mean() > 0.8


def test_quantise_map():
    saliency = np.array([[0.0, 0.5], [1.0, 2.0]])
    quantised = reference.quantise_map(saliency)
    assert quantised.dtype == np.uint8
    assert quantised.tolist() == [[0, 64], [128, 255]]
    np.testing.assert_array_equal(reference.quantise_map(saliency * 1e-30), quantised)
    assert not reference.quantise_map(np.zeros((3, 2))).any()
