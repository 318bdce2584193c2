"""What the host knows, on its way to a function that runs on the GPU.

Enters: batches on the CPU. Leaves: the same, when the operator of the GPU is called: reading them
back from there would make the host wait for it. Used by `graph`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class Relay:
    """Hands host batches to a function that runs on the GPU, where they would cost a wait.

    DALI runs each operator once per batch, in order, and `put` before the call that depends on its
    token. An empty branch of a conditional runs neither.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._waiting: deque[list[list[np.ndarray]]] = deque()

    def put(self, *batches: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Keep copies of host batches; DALI takes its memory back. Return a token per sample."""
        self._waiting.append([[array.copy() for array in batch] for batch in batches])
        return [np.zeros(1, np.uint8)] * len(batches[0])

    def __call__(self, *batches: Sequence[Any]) -> Any:
        """Call the function with what is on the GPU, all but the token, and what was put."""
        *there, _ = batches
        return self.function(*there, *self._waiting.popleft())
