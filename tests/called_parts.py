"""Parts of the CPU's kernels as functions that Python can call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def call(part: Any) -> Callable:
    """Return a function that calls a compiled part, which has no wrapper of its own for Python."""

    @njit
    def called(*arguments):
        return part(*arguments)

    return called
