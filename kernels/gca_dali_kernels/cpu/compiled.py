"""How the CPU kernels are compiled.

Without the GIL, because DALI calls from threads of its own; cached on disk; and by NumPy's error
model, whose divisions need no check (no divisor is zero, see `law`). Small functions on the way of
every window are `inlined`: Numba counts references to an array, atomically, at every call.
"""

from __future__ import annotations

from numba import njit

compiled = njit(nogil=True, cache=True, error_model="numpy")
# For functions that neither make nor return an array: no counts, and windows in 2/3 of the time.
borrowing = njit(nogil=True, cache=True, error_model="numpy", _nrt=False)  # pyright: ignore[reportCallIssue]
inlined = njit(nogil=True, cache=True, error_model="numpy", inline="always")
# Borrowing, and with fused multiply-adds: one rounding instead of two.
fused = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)  # pyright: ignore[reportCallIssue]
