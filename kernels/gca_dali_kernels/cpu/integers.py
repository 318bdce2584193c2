"""Exact integer arithmetic by way of float64, which divides in a fifth of the time.

The loops mend what float64 rounds; they run at most once.
"""

from __future__ import annotations

import math

import numpy as np

from gca_dali_kernels.cpu.compiled import inlined


@inlined
def quotient(value, divisor):
    """Return the floor of value / divisor: value in [0, 2**63), divisor > 0, both int64.

    The quotient must be below 2**51.
    """
    ratio = np.int64(np.float64(value) / np.float64(divisor))
    rest = value - ratio * divisor
    while rest < 0:
        ratio -= 1
        rest += divisor
    while rest >= divisor:
        ratio += 1
        rest -= divisor
    return ratio


@inlined
def integer_root(value):
    """Return the floor of the square root of an int64 in [0, 2**62)."""
    root = np.int64(math.sqrt(value))
    while root * root > value:
        root -= 1
    while (root + 1) * (root + 1) <= value:
        root += 1
    return root
