"""Transposition by eight rows: the same elements, whatever the shape, and nothing beside them."""

import numpy as np
import pytest

from gca_dali_kernels.cpu.resample import NUM_TURNED, transpose, turn_rows


@pytest.mark.parametrize("shape", [(8, 8), (224, 224), (1, 1), (7, 9), (9, 7), (16, 3), (31, 40)])
def test_transposes_any_shape(shape):
    source = np.random.default_rng(0).random(shape, np.float32)
    guarded = np.full((shape[1] + 2, shape[0]), np.float32(-1))
    transpose(source, guarded[1:-1])
    np.testing.assert_array_equal(guarded[1:-1], source.T)
    assert (guarded[[0, -1]] == -1).all()


@pytest.mark.parametrize("num_columns", [1, 7, 8, 9, 23])
def test_turns_eight_rows_into_their_columns_only(num_columns):
    rows = np.random.default_rng(1).random((3 * NUM_TURNED, 24), np.float32)
    turned = np.full((24, 4 * NUM_TURNED), np.float32(-1))
    turn_rows(rows, NUM_TURNED, num_columns, 2 * NUM_TURNED, turned)
    columns = slice(2 * NUM_TURNED, 3 * NUM_TURNED)
    expected = np.full_like(turned, -1)
    expected[:num_columns, columns] = rows[NUM_TURNED : 2 * NUM_TURNED, :num_columns].T
    np.testing.assert_array_equal(turned, expected)
