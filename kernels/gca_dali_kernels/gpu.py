"""CuPy, found or explained: one line for each way in which a GPU cannot be used.

Enters: nothing. Leaves: the CuPy module, or a RuntimeError that names the remedy. Used by the
launchers of this package and by whoever chooses a device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ON_CPU = "or use device='cpu'"
# Of cudaError_t.
INSUFFICIENT_DRIVER, NO_DEVICE = 35, 100


def import_cupy() -> Any:
    """Return CuPy.

    Raises
    ------
    RuntimeError
        If it is not installed or does not load.
    """
    try:
        import cupy
    except ImportError as error:
        reason = " ".join(str(error).split())[:120]
        raise RuntimeError(
            f"CuPy must be importable to use a GPU, got {reason!r}. "
            f"Install gca_dali[cuda12] or gca_dali[cuda13], {ON_CPU}."
        ) from error
    return cupy


def count_devices() -> int:
    """Return how many GPUs CuPy can use, at least 1.

    Raises
    ------
    RuntimeError
        If there is no CuPy, no driver, too old a driver, or no GPU.
    """
    runtime = import_cupy().cuda.runtime
    driver, needed = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if driver == 0:
        raise RuntimeError(
            "an NVIDIA driver must be installed to use a GPU, got none. "
            f"Install one (see nvidia-smi), {ON_CPU}."
        )
    try:
        num_devices = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        if error.status == INSUFFICIENT_DRIVER:
            raise RuntimeError(
                f"the NVIDIA driver must support CUDA {version(needed)}, got one for "
                f"{version(driver)}. Update it, install the extra of an older CUDA, {ON_CPU}."
            ) from error
        num_devices = 0
        if error.status != NO_DEVICE:
            raise RuntimeError(explain(error)) from error
    if num_devices == 0:
        raise RuntimeError(
            "a CUDA device must be visible to use a GPU, got none. "
            f"Look at nvidia-smi and CUDA_VISIBLE_DEVICES, {ON_CPU}."
        )
    return num_devices


def version(number: int) -> str:
    """Return CUDA's version number as people write it.

    Examples
    --------
    >>> version(12080)
    '12.8'
    """
    return f"{number // 1000}.{number % 1000 // 10}"


def explain(error: Exception) -> str:
    """Return an error of CuPy's in one line."""
    first = " ".join(str(error).split())[:200]
    return f"the GPU must finish its work, got {first!r}. See `gca-dali doctor`, {ON_CPU}."


@contextmanager
def explained_errors() -> Iterator[None]:
    """Turn CuPy's errors into RuntimeErrors of one line.

    Raises
    ------
    RuntimeError
        If the GPU has no memory left or fails.
    """
    cupy = import_cupy()
    failures = (
        cupy.cuda.runtime.CUDARuntimeError,
        cupy.cuda.driver.CUDADriverError,
        cupy.cuda.compiler.CompileException,
    )
    try:
        yield
    except cupy.cuda.memory.OutOfMemoryError as error:
        first = " ".join(str(error).split())[:120]
        raise RuntimeError(
            f"GPU memory must hold the batch, got {first!r}. "
            f"Lower batch_size, num_views or size, {ON_CPU}."
        ) from error
    except failures as error:
        raise RuntimeError(explain(error)) from error
