"""Compile the CUDA kernels and launch them through CuPy.

Enters: a `Launch`, which a launcher of this package builds without touching a GPU. Leaves: work
queued on a stream; nothing here waits for it. Compiled kernels are kept by CuPy on disk.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from gca_dali_kernels.gpu import explained_errors, import_cupy

FOLDER = Path(__file__).parent
# What a block may use without asking for more, the kernel's own variables included.
DEFAULT_SHARED_BYTES = 48 * 1024
GRID_DTYPE = np.dtype([("height", np.int32), ("width", np.int32)])


@dataclass(frozen=True)
class Launch:
    """One launch of a kernel.

    Attributes
    ----------
    kernel : str
        Stem of the .cu file; its symbol is this and "_kernel".
    grid : tuple of int
        Blocks along x, y and z.
    num_threads : int
        Of a block.
    arguments : tuple
        NumPy scalars and records are passed by value, arrays on the device as pointers.
    num_shared_bytes : int
        Dynamic shared memory of a block.
    source : str
        What SOURCE is compiled as; empty where the kernel reads no images.
    """

    kernel: str
    grid: tuple[int, int, int]
    num_threads: int
    arguments: tuple[Any, ...]
    num_shared_bytes: int = 0
    source: str = ""


def run(launch: Launch, stream: int | None = None) -> None:
    """Queue a launch.

    Parameters
    ----------
    launch : Launch
    stream : int, optional
        Address of a CUDA stream of the current device; None means CuPy's current stream.

    Raises
    ------
    RuntimeError
        If the GPU cannot run it.
    """
    with explained_errors(), stream_at(stream):
        device = import_cupy().cuda.runtime.getDevice()
        function = load_kernel(launch.kernel, launch.source, device)
        num_bytes = launch.num_shared_bytes
        if num_bytes:
            allow_shared(function, num_bytes)
        # CuPy passes arrays of NumPy's by value.
        arguments = tuple(
            np.asarray(one) if isinstance(one, np.generic) else one for one in launch.arguments
        )
        function(launch.grid, (launch.num_threads,), arguments, shared_mem=num_bytes)


def allow_shared(function: Any, num_bytes: int) -> None:
    """Let a block of a kernel have so much dynamic shared memory beside its own variables.

    Parameters
    ----------
    function : cupy.RawKernel
    num_bytes : int
    """
    total = num_bytes + function.shared_size_bytes
    if total > DEFAULT_SHARED_BYTES and num_bytes > function.max_dynamic_shared_size_bytes:
        function.max_dynamic_shared_size_bytes = num_bytes


@lru_cache(maxsize=64)
def load_kernel(kernel: str, source: str, device: int) -> Any:
    """Return a compiled kernel of CuPy's for the current device, whose number is `device`."""
    module = import_cupy().RawModule(
        code=read_source(kernel), options=compile_options(source), backend="nvrtc"
    )
    return module.get_function(f"{kernel}_kernel")


def read_source(kernel: str) -> str:
    """Return the text of a .cu file."""
    return (FOLDER / f"{kernel}.cu").read_text()


def compile_options(source: str) -> tuple[str, ...]:
    """Return NVRTC's options.

    Parameters
    ----------
    source : str
        What SOURCE stands for, "" for kernels without.
    """
    digest = hashlib.sha256()
    for header in sorted(FOLDER.glob("*.cuh")):
        digest.update(header.read_bytes())
    options = (
        "--std=c++17",
        f"-I{FOLDER}",
        *(f"-I{folder}" for folder in find_headers()),
        # CuPy's cache looks at the .cu file and the options, not at what the file includes.
        f"-DHEADERS=0x{digest.hexdigest()[:8]}",
    )
    return (*options, f"-DSOURCE={source}") if source else options


@lru_cache(maxsize=1)
def find_headers() -> tuple[Path, ...]:
    """Return the folder of cuda_fp16.h, which neither NVRTC nor CuPy brings along.

    It is looked for in NVIDIA's Python packages, which torch installs, then in the CUDA toolkit;
    empty where it is in neither.
    """
    package = importlib.util.find_spec("nvidia")
    homes = (package.submodule_search_locations if package else None) or ()
    folders = [folder for home in homes for folder in sorted(Path(home).glob("*/include"))]
    folders.append(Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "include")
    return tuple(folder for folder in folders if (folder / "cuda_fp16.h").exists())[:1]


def stream_at(pointer: int | None) -> Any:
    """Return a context in which CuPy uses the stream at this address, or the current one."""
    stream = import_cupy().cuda.Stream
    if pointer is None:
        return import_cupy().cuda.get_current_stream()
    if hasattr(stream, "from_external"):  # CuPy 14
        return stream.from_external(ForeignStream(pointer))
    return import_cupy().cuda.ExternalStream(pointer)


@dataclass(frozen=True)
class ForeignStream:
    """A stream of DALI's or torch's, by CUDA's stream protocol."""

    pointer: int

    def __cuda_stream__(self) -> tuple[int, int]:
        """Return the protocol's version and the stream's address."""
        return 0, self.pointer


def make_grid(shape: tuple[int, ...]) -> np.void:
    """Return height and width of a map in cells, from the shape of maps."""
    return np.array([tuple(shape[-2:])], GRID_DTYPE)[0]
