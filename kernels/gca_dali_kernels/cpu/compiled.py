"""How the CPU kernels are compiled.

Without the GIL, because DALI calls from threads of its own; cached on disk; and by NumPy's error
model, whose divisions need no check (no divisor is zero, see `law`). Small functions on the way of
every window are `inlined`: Numba counts references to an array, atomically, at every call.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from numba import njit


def forget_stale(folder: Path) -> None:
    """Remove kernels that were compiled before a source of `folder` or its parent changed.

    Numba keeps a cached kernel until its own file changes, not those of what it calls; after a
    `git pull` it would go on running old code.
    """
    sources = [*folder.glob("*.py"), *folder.parent.glob("*.py")]
    changed = max(source.stat().st_mtime for source in sources)
    for kernel in folder.glob("__pycache__/*.nb[ic]"):
        with suppress(OSError):  # another process was first, or the folder is read-only
            if kernel.stat().st_mtime < changed:
                kernel.unlink()


forget_stale(Path(__file__).parent)

compiled = njit(nogil=True, cache=True, error_model="numpy")
# For functions that neither make nor return an array: no counts, and windows in 2/3 of the time.
borrowing = njit(nogil=True, cache=True, error_model="numpy", _nrt=False)  # pyright: ignore[reportCallIssue]
inlined = njit(nogil=True, cache=True, error_model="numpy", inline="always")
# Borrowing, and with fused multiply-adds: one rounding instead of two.
fused = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"}, _nrt=False)  # pyright: ignore[reportCallIssue]
