"""Philox4x32-10 in Numba; twin of `gca_dali_kernels.philox`.

Words come back as int64, because Numba turns a mix of int64 and uint64 into float64.
"""

from __future__ import annotations

import numpy as np

from gca_dali_kernels.cpu.compiled import inlined
from gca_dali_kernels.philox import MULTIPLIER_0, MULTIPLIER_1, NUM_ROUNDS, WEYL_0, WEYL_1

M0, M1 = np.uint64(MULTIPLIER_0), np.uint64(MULTIPLIER_1)
W0, W1 = np.uint64(WEYL_0), np.uint64(WEYL_1)
LOW, HIGH = np.uint64(0xFFFFFFFF), np.uint64(32)


@inlined
def draw(key, purpose, number):
    """Return four words as int64; `key` holds seed, epoch and index as uint64."""
    c0, c1 = np.uint64(number) & LOW, key[2] & LOW
    c2, c3 = key[1] & LOW, np.uint64(purpose)
    k0, k1 = key[0] & LOW, key[0] >> HIGH
    for _ in range(NUM_ROUNDS):
        product_0, product_1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (
            (product_1 >> HIGH) ^ c1 ^ k0,
            product_1 & LOW,
            (product_0 >> HIGH) ^ c3 ^ k1,
            product_0 & LOW,
        )
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return np.int64(c0), np.int64(c1), np.int64(c2), np.int64(c3)
