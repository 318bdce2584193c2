"""The steps of a view on the CPU against plain NumPy, at the sizes where their loops end."""

import numpy as np
import pytest

from called_parts import call
from gca_dali_kernels.cpu import appearance, resample
from gca_dali_kernels.cpu.resample import MOST_HALVINGS

blur = call(appearance.blur)
halve, sum_separable = call(resample.halve), call(resample.sum_separable)
RNG = np.random.default_rng(0)


def test_sums_of_white_bytes_fit_sixteen_bits():
    sums = np.full((32, 48), 255, np.uint8)
    for _ in range(MOST_HALVINGS):
        smaller = np.zeros((sums.shape[0] // 2, sums.shape[1] // 2), np.uint16)
        halve(sums, (0, 0), smaller)
        sums = smaller
    assert sums.shape == (2, 3)
    assert (sums == 255 * 4**MOST_HALVINGS).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (8, 33)])
def test_halve_sums_squares_from_a_corner_on(dtype, shape):
    source = (RNG.random((23, 71)) * 255).astype(dtype)
    sums = np.zeros(shape, np.uint16 if dtype == np.uint8 else np.float32)
    halve(source, (4, 2), sums)
    seen = source[4 : 4 + 2 * shape[0], 2 : 2 + 2 * shape[1]].astype(np.float64)
    expected = seen.reshape(shape[0], 2, shape[1], 2).sum((1, 3))
    np.testing.assert_allclose(sums, expected, rtol=1e-6)


def taps(num_sums: int, num_taps: int, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return first pixels, weights, and the matrix [num_sums, length] that they stand for."""
    firsts = np.sort(RNG.integers(0, length - num_taps + 1, num_sums))
    weights = RNG.random((num_sums, num_taps), np.float32)
    matrix = np.zeros((num_sums, length))
    for i, first in enumerate(firsts):
        matrix[i, first : first + num_taps] = weights[i]
    return firsts, weights, matrix


@pytest.mark.parametrize("num_taps", range(1, 10))
@pytest.mark.parametrize("num_rows", [1, 7, 8, 9, 24])
def test_separable_sums_are_two_matrix_products(num_taps, num_rows):
    source = RNG.integers(0, 256, (40, 50), np.uint8)
    row_firsts, row_weights, rows = taps(num_rows, num_taps, 40)
    column_firsts, column_weights, columns = taps(13, num_taps, 50)
    guarded = np.full((num_rows + 2, 13), np.float32(-1))
    row_taps, column_taps = (row_firsts, row_weights), (column_firsts, column_weights)
    sum_separable(source, row_taps, column_taps, guarded[1:-1])
    np.testing.assert_allclose(guarded[1:-1], rows @ source @ columns.T, rtol=1e-5)
    assert (guarded[[0, -1]] == -1).all()


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.3, 2.0])
@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (9, 2), (20, 31)])
def test_blur_repeats_the_border(sigma, shape):
    sharp = RNG.random(shape, np.float32)
    view = np.zeros_like(sharp)
    blur(sharp, sigma, view)
    radius = int(np.ceil(3 * sigma))
    gaussian = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    gaussian /= gaussian.sum()
    expected = sharp.astype(np.float64)
    for axis in (0, 1):
        around = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(expected, around, "edge"), 2 * radius + 1, axis
        )
        expected = windows @ gaussian
    np.testing.assert_allclose(view, expected, atol=1e-5)
