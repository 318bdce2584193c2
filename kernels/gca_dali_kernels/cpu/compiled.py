"""How the CPU kernels are compiled, and where what was compiled is kept.

Without the GIL, because DALI calls from threads of its own; and by NumPy's error model, whose
divisions need no check (no divisor is zero, see `law`). Numba counts references to an array,
atomically, at every call: most functions do without.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Timer
from typing import Any

from numba import config as numba_config
from numba import njit
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc

from gca_dali_kernels.kept import FOLDER_VARIABLE, cache_folder, can_write

LOG = logging.getLogger("gca_dali")


def find_cache(package: Path) -> Path | None:
    """Return the first of the folders for compiled kernels that can be written; None for none.

    `$NUMBA_CACHE_DIR`, the kernels' own ``__pycache__``, and `kernels` in the user's cache.
    """
    chosen = [Path(config.CACHE_DIR)] if config.CACHE_DIR else []
    folders = [*chosen, package / "__pycache__", cache_folder("kernels")]
    found = next((folder for folder in folders if can_write(folder)), None)
    if found is None:
        _tell(f"none of {', '.join(map(str, folders))} can be written")
    return found


def _tell(why: str) -> None:
    """Say once that this process compiles for itself."""
    if not _said:
        _said.append(why)
        LOG.warning(
            "compiled kernels are kept in memory, each run compiles them again: %s; set %s to a "
            "folder with room",
            why,
            FOLDER_VARIABLE,
        )


def _tell_damaged(where: str) -> None:
    """Say once that what was kept is compiled once more."""
    if not _said_damaged:
        _said_damaged.append(where)
        LOG.warning("compiled kernels are damaged and are compiled once more: %s", where)


_said_damaged: list[str] = []
_said: list[str] = []
config: Any = numba_config  # whose names Numba makes as it is imported


def forget_stale(package: Path, cache: Path | None = None) -> None:
    """Remove kernels that were compiled before a source of `package` or its parent changed.

    Numba keeps a cached kernel until its own file changes, not those of what it calls; after a
    `git pull` it would go on running old code.
    """
    sources = [*package.glob("*.py"), *package.parent.glob("*.py")]
    changed = max(source.stat().st_mtime for source in sources)
    for kernel in (cache or package / "__pycache__").glob("*.nb[ic]"):
        with suppress(OSError):  # another process was first, or the folder is read-only
            if kernel.stat().st_mtime < changed:
                kernel.unlink()


class KeptKernel(FunctionCache):
    """What Numba keeps of one kernel; a disk that fails costs the time to compile, no more.

    Nor does a damaged file: what a power loss left empty or cut is written anew.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what was kept, or None."""
        try:
            return super().load_overload(sig, target_context)
        except OSError as error:
            _tell(f"{self.cache_path}: {error.strerror}")
        except Exception as error:  # Numba unpickles: cut files raise almost anything
            _tell_damaged(f"{self.cache_path}: {error!r}")

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled."""
        try:
            try:
                super().save_overload(sig, data)
            except OSError:
                raise
            except Exception:  # the index is damaged, which Numba reads here too
                self.flush()
                super().save_overload(sig, data)
        except OSError as error:
            _tell(f"{self.cache_path}: {error.strerror}")


@contextmanager
def told_after_a_second() -> Iterator[None]:
    """Say once, if what is done here takes longer, that kernels are being compiled and kept."""

    def tell() -> None:
        if not _said and not _said_compiling:
            _said_compiling.append(True)
            LOG.warning(
                "the CPU's kernels are being compiled, which takes some 15 s and is done once; "
                "they are kept in %s",
                CACHE,
            )

    timer = Timer(1.0, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def without_collector() -> Iterator[None]:
    """Leave Python's garbage for later: a tenth of the time to compile, and more beside torch."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


_said_compiling: list[bool] = []


def _compiler(kept: bool = True, **options: Any) -> Callable[[Callable], Any]:
    make = njit(nogil=True, error_model="numpy", **options)

    def compile_later(function: Callable) -> Any:
        kernel: Any = make(function)
        if kept:
            _keep(kernel, function)
        return kernel

    return compile_later


def _keep(kernel: Any, function: Callable) -> None:
    """Let what is compiled of a function be kept, unless no folder can be written."""
    if CACHE is None:
        return
    # Without a folder of its own Numba looks beside the source.
    before, config.CACHE_DIR = config.CACHE_DIR, "" if CACHE == _BESIDE else str(CACHE)
    try:
        kernel._cache = KeptKernel(function)
    finally:
        config.CACHE_DIR = before
    _forget_once(_PACKAGE, Path(kernel._cache.cache_path))
    compile_or_load = kernel.compile

    def compile_and_tell(*signature: Any) -> Any:
        with told_after_a_second(), without_collector():
            return compile_or_load(*signature)

    kernel.compile = compile_and_tell


def callback(signature: Any) -> Callable[[Callable], Any]:
    """Compile a function that C calls, from any thread; its address is `.address`."""

    def compile_now(function: Callable) -> Any:
        kernel: Any = CFunc(function, (signature.args, signature.return_type), {}, {})
        _keep(kernel, function)
        kernel.compile()
        return kernel

    return compile_now


_PACKAGE = Path(__file__).parent
_BESIDE = _PACKAGE / "__pycache__"
CACHE = find_cache(_PACKAGE)
_forget_once = lru_cache(forget_stale)

# What Python calls.
compiled = _compiler()
# For functions that neither make nor return an array: no counts, and windows in 2/3 of the time.
borrowing = _compiler(_nrt=False)

# What kernels call. It lies in each kernel that is kept and not by itself; and the wrapper that
# Python would need takes as long to compile as a small function.
_INSIDE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "kept": False}
making_part = _compiler(**_INSIDE)
part = _compiler(**_INSIDE, _nrt=False)
inlined = _compiler(**_INSIDE, _nrt=False, forceinline=True)
# Written out before anything is compiled, so that a literal can unroll a loop.
pasted = _compiler(**_INSIDE, inline="always")
# With fused multiply-adds: one rounding instead of two.
fused = _compiler(**_INSIDE, _nrt=False, fastmath={"contract"})
