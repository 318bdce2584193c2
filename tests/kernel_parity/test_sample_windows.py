"""`sample_windows`: mass by hand, reference against Numba to the bit."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from called_parts import call
from gca_dali_kernels.cpu import mass as compiled_mass
from gca_dali_kernels.cpu import sample_windows as cpu
from gca_dali_kernels.law import ViewLaws, WindowLaw
from gca_dali_kernels.reference import mass as reference_mass
from gca_dali_kernels.reference import sample_windows as reference
from gca_dali_kernels.reference.integrate_maps import integrate_maps
from kernel_cases import window_cases
from kernel_inputs import WindowCase, make_map

cpu_mass = SimpleNamespace(
    mass_upright=call(compiled_mass.mass_upright), mass_turned=call(compiled_mass.mass_turned)
)
MODULES = pytest.mark.parametrize(
    ("mass", "sample"),
    [(reference_mass, reference.sample_windows), (cpu_mass, cpu.sample_windows)],
    ids=["reference", "cpu"],
)
BY_HAND = np.array([[[0, 10, 0], [20, 100, 5], [0, 0, 3]]], np.uint8)


@MODULES
def test_mass_by_hand(mass, sample):
    integral = integrate_maps(BY_HAND)[0][0]
    assert mass.mass_upright(integral, 0, 0, 768, 768) == 138 << 16
    assert mass.mass_upright(integral, 256, 256, 512, 512) == 100 << 16
    assert mass.mass_upright(integral, 256, 0, 512, 512) == 120 << 16
    # A quarter of the middle cell, and 1/65536 of it.
    assert mass.mass_upright(integral, 384, 256, 512, 384) == 25 << 16
    assert mass.mass_upright(integral, 300, 300, 301, 301) == 100


def turned(mass, integral, size, angle_degrees, aspect_q16=1 << 16):
    """Mass of a window turned around the centre of the map."""
    angle = np.deg2rad(angle_degrees)
    turn = (int(np.rint(np.cos(angle) * 65536)), int(np.rint(np.sin(angle) * 65536)))
    centre2 = ((integral.shape[0] - 1) * 256, (integral.shape[1] - 1) * 256)
    return mass.mass_turned(integral, centre2, size, turn, aspect_q16)


@MODULES
def test_turned_mass_by_hand(mass, sample):
    integral = integrate_maps(BY_HAND)[0][0]
    # Not turned: rows of a quarter cell are met exactly.
    assert turned(mass, integral, (768, 768), 0) == 138 << 16
    assert turned(mass, integral, (256, 768), 0) == 125 << 16
    # By 90 degrees the wide window stands: the middle column.
    assert turned(mass, integral, (256, 768), 90) == 110 << 16
    # Cells twice as wide as high: 3 × 1 cells lie, turned, over 6 × ½.
    assert turned(mass, integral, (256, 768), 90, 2 << 16) == 55 << 16
    # A square on its corner that holds the middle cell and touches the others' corners.
    flat = integrate_maps(np.full((1, 3, 3), 64, np.uint8))[0][0]
    diamond = turned(mass, flat, (362, 362), 45)
    assert diamond / (64 << 16) == pytest.approx((362 / 256) ** 2, rel=0.02)


@MODULES
def test_window_by_hand(mass, sample):
    """On a map of one cell, tau decides alone: every window of half the sides holds it whole."""
    maps = np.zeros((1, 3, 3), np.uint8)
    maps[0, 1, 1] = 9
    integrals, marks = integrate_maps(maps)
    law = WindowLaw(size="zoom", size_range=(2.0, 2.0), tau=1.0, weight=1, flip=0.0)
    laws = ViewLaws.one(law, 1)
    for index in range(20):
        windows, turns, retained, grown, _ = sample(
            integrals, marks, np.array([index]), np.array([[30, 30]], np.int32), (0, 0), laws
        )
        y0, x0, y1, x1 = windows[0, 0]
        assert (y1 - y0, x1 - x0) == (384, 384)
        assert 128 <= y0 <= 256 and 128 <= x0 <= 256
        assert turns[0, 0].tolist() == [-1, 0]
        assert retained[0, 0] == 1.0 and not grown[0, 0]


@MODULES
def test_growth_by_hand(mass, sample):
    """Two far cells need the whole map but for the part of a cell that tau leaves."""
    maps = np.zeros((1, 3, 3), np.uint8)
    maps[0, 0, 0] = maps[0, 2, 2] = 1
    integrals, marks = integrate_maps(maps)
    law = WindowLaw(size="zoom", size_range=(3.0, 3.0), tau=0.75, weight=0)
    laws = ViewLaws.one(law, 1)
    windows, _, retained, grown, _ = sample(
        integrals, marks, np.array([5]), np.array([[30, 30]], np.int32), (0, 0), laws
    )
    y0, x0, y1, x1 = (int(edge) for edge in windows[0, 0])
    assert grown[0, 0] and retained[0, 0] >= 0.75
    side = y1 - y0
    assert side == x1 - x0
    # s cells wide, from a corner: 1 + (s − 2)² ≥ 1.5, so s ≥ 2.7071 of 3; one step is 2/256.
    assert 0 <= side / 256 - 2.7071 <= 2 / 256


@pytest.mark.parametrize("case", window_cases(), ids=lambda case: case.name)
def test_parity(case: WindowCase):
    for name, got, expected in zip(
        ("windows", "turns", "retained", "grown", "focus"),
        cpu.sample_windows(*case.inputs),
        case.expected,
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected, err_msg=name, strict=True)


@pytest.mark.parametrize("seed", range(3))
def test_turned_mass_parity(seed: int):
    """Corners beyond the map, narrow windows and any aspect, on maps of odd shapes."""
    rng = np.random.default_rng(seed)
    for shape in ((1, 1), (1, 5), (7, 3), (16, 16)):
        integral = integrate_maps(make_map("noise", shape, seed)[None])[0][0]
        height, width = 256 * shape[0], 256 * shape[1]
        for _ in range(40):
            h, w = (int(rng.integers(1, side + 1)) for side in (height, width))
            y0, x0 = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
            angle = rng.uniform(0, 2 * np.pi)
            turn = (int(np.rint(np.cos(angle) * 65536)), int(np.rint(np.sin(angle) * 65536)))
            aspect_q16 = int(2 ** rng.uniform(8, 24))
            arguments = ((2 * y0 + h, 2 * x0 + w), (h, w), turn, aspect_q16)
            expected = reference_mass.mass_turned(integral, *arguments)
            assert cpu_mass.mass_turned(integral, *arguments) == expected
            assert 0 <= expected <= int(integral[-1, -1]) << 16
