"""Compile in two processes at once: Numba compiles one kernel at a time in each.

Enters: the type of the images, before the first batch. Leaves: the kernel that resamples them, kept
on disk by a second process while this one compiles all others. Where nothing can be kept, or it is
there already, nothing is started.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gca_dali_kernels.child import child_command

_CODE = """
from gca_dali_kernels.cpu.render_views import compile_resampling
compile_resampling(sys.argv[1])
"""
_running: list[subprocess.Popen[bytes]] = []


def compile_ahead(dtype: str) -> None:
    """Begin to compile what depends on the images' type, "uint8" or "uint16", elsewhere."""
    from gca_dali_kernels.cpu.compiled import CACHE
    from gca_dali_kernels.cpu.resample_views import resample_views

    if CACHE is None or _running or is_kept(resample_views):
        return
    with suppress(OSError):  # no process can be had: this one compiles it when it is needed
        _running.append(
            subprocess.Popen(
                child_command(_CODE, dtype),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )


def wait(meanwhile: Callable[[], None]) -> None:
    """Return when the other process has ended; what it did not keep is compiled here.

    `meanwhile` is done first, where there is something to wait for.
    """
    if _running:
        from gca_dali_kernels.cpu.compiled import told_after_a_second

        with told_after_a_second():
            meanwhile()
            for process in list(_running):
                process.wait()
        _running.clear()


def find_kernels() -> dict[str, bool]:
    """Return the kernels of a first batch by name, and whether each is kept on disk."""
    from gca_dali_kernels.cpu.finish_views import finish_views
    from gca_dali_kernels.cpu.integrate_maps import integrate_part
    from gca_dali_kernels.cpu.resample_views import resample_views
    from gca_dali_kernels.cpu.sample_cutouts import cutout_part
    from gca_dali_kernels.cpu.sample_windows import sample_part

    kernels = (integrate_part, sample_part, cutout_part, resample_views, finish_views)
    return {kernel.__name__: is_kept(kernel) for kernel in kernels}


def is_kept(kernel: Any) -> bool:
    """Tell whether a kernel lies on disk for this processor and some type, or was compiled here.

    A folder that machines share may hold what was compiled for another processor alone.
    """
    if kernel.signatures:
        return True
    index = getattr(kernel._cache, "_cache_file", None)
    if index is None:
        return False
    processor = kernel.targetctx.codegen().magic_tuple()
    try:
        return any(kept_for == processor for _, kept_for, _ in index._load_index())
    except Exception:  # the disk fails, or the file is damaged: told where the kernel is needed
        return False
