"""Lines that image decoders print are held back, until the name of the file stands before them.

Enters: what native code writes to C's `stderr`. Leaves: lines of libjpeg and libpng, to who takes
them; everything else has gone to descriptor 2 at once, as before. Next: `warned`.

DALI's decoders have no other way to say that a file is damaged, and name no file. With glibc
`stderr` is a variable, in which another stream can be put; Python and C++ have streams of their
own. Elsewhere nothing is held.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

import numpy as np

_IS_FILE = 0x2000  # _IO_IS_FILEBUF: `fileno` and `freopen` look for it
_NO_FILE = -2  # the descriptor of a stream of `fopencookie`
_UNBUFFERED = 2  # _IONBF
_PIPE_BYTES = 1 << 16


class _Functions(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("read", "write", "seek", "close")]


class _Stream(ctypes.Structure):
    """The beginning of glibc's FILE (bits/types/struct_FILE.h), which no version may change."""

    _fields_ = [
        ("flags", ctypes.c_int),
        ("pointers", ctypes.c_void_p * 13),
        ("descriptor", ctypes.c_int),
        ("more_flags", ctypes.c_int),
        ("places", ctypes.c_int64 * 5),
        ("wide", ctypes.c_void_p),
    ]


class HeldLines:
    """C's `stderr`, replaced; one for the process.

    Raises
    ------
    OSError, AttributeError
        If this is another libc, or a stream cannot be made.
    """

    def __init__(self) -> None:
        from gca_dali.steps.route import LINE_END, route

        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018
        libc.fopencookie.restype = ctypes.c_void_p
        libc.fopencookie.argtypes = [ctypes.c_void_p, ctypes.c_char_p, _Functions]
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._state = np.array([self._writer, 0, LINE_END], np.int32)
        functions = _Functions(None, route.address, None, None)
        address = libc.fopencookie(self._state.ctypes.data, b"w", functions)
        if not address or (stream := _Stream.from_address(address)).descriptor != _NO_FILE:
            raise OSError("no stream that calls a function")
        libc.setvbuf(ctypes.c_void_p(address), None, _UNBUFFERED, ctypes.c_size_t(0))
        # Py_FatalError asks for the descriptor, `freopen` crashes on a wide part of -1.
        stream.flags |= _IS_FILE
        stream.descriptor = 2
        stream.wide = None
        self._slot = ctypes.c_void_p.in_dll(libc, "stderr")
        self._before, self._slot.value = self._slot.value, address
        os.register_at_fork(after_in_child=self.let_go)

    def let_go(self) -> None:
        """Put the former stream back."""
        self._slot.value = self._before

    def take(self) -> list[str]:
        """Return the lines since the last call."""
        with suppress(BlockingIOError):
            lines = os.read(self._reader, _PIPE_BYTES).decode(errors="replace").splitlines()
            return [line for line in lines if line]
        return []
