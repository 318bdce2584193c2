"""One write to C's stderr → the pipe of lines that are held back, or descriptor 2 at once.

`held_lines` makes a stream of it. Compiled, without the GIL: threads of DALI call it, whatever
Python does meanwhile.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.np.numpy_support import carray

from gca_dali.steps.decode_alone import BEGINNINGS
from gca_dali_kernels.cpu.compiled import callback

# Of each beginning, up to the first zero.
_LETTERS = np.array([list(text.encode().ljust(64, b"\0")) for text in BEGINNINGS], np.uint8)
_STDERR = 2
LINE_END = 10

write = types.ExternalFunction("write", types.intp(types.intc, types.voidptr, types.uintp))


@callback(types.intp(types.voidptr, types.voidptr, types.uintp))
def route(cookie, text, size):
    """Hold a decoder's line back: the write function of `fopencookie`.

    `cookie` points to three numbers: the pipe, how many ends of lines are to come (libpng writes
    them by themselves, and another thread may write between), and such an end.
    """
    state = carray(cookie, (3,), np.int32)
    data = carray(text, (size,), np.uint8)
    if size == 1 and data[0] == LINE_END and state[1] > 0:
        state[1] -= 1
        return size
    is_held = False
    for k in range(len(_LETTERS)):
        n = 0
        while n < size and _LETTERS[k, n] != 0 and _LETTERS[k, n] == data[n]:
            n += 1
        is_held |= _LETTERS[k, n] == 0
    # A full pipe takes nothing: what it cannot hold is shown as it is.
    if not is_held or write(state[0], text, size) != size:
        return write(_STDERR, text, size)
    if data[size - 1] != LINE_END:
        write(state[0], state[2:].ctypes, 1)
        state[1] += 1
    return size
