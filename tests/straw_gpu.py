"""A GPU of straw: NumPy in place of CuPy, the kernels run by the emulator, streams of nothing.

Enters: nothing. Leaves: `straw_gpu`, with which everything between the pipeline's images and the
`ViewBatch` runs as on a GPU, on machines without one: what is sent, in which order, to which
kernel. What it cannot show is whether the order of streams is right: on straw all is done at once.
"""

from __future__ import annotations

import ctypes
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from gca_dali_kernels.launch import Launch
from gca_dali_kernels.render_views import SOURCES
from kernel_emulator import Builder, HostImages, emulate
from kernel_launches import H100

RUBBISH = 0xAB


class StrawArray(np.ndarray):
    """A NumPy array with the few methods of CuPy's that are used."""

    @property
    def data(self) -> Any:  # type: ignore[override]
        """What copies to the array's memory."""
        target = self.ctypes.data

        def copy(pointer: int, num_bytes: int) -> None:
            ctypes.memmove(target, pointer, num_bytes)

        return SimpleNamespace(copy_from_host_async=copy, ptr=target)


class PinnedMemory(bytearray):
    """Host memory with an address."""

    @property
    def ptr(self) -> int:
        """The address."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self))


class StrawEvent:
    """An event of CuPy's or torch's; work on straw is done when it is queued."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def record(self) -> None:
        """Do nothing."""

    def wait(self) -> None:
        """Do nothing."""

    def synchronize(self) -> None:
        """Do nothing."""


def empty(shape: Any, dtype: Any) -> StrawArray:
    """Return an array full of rubbish."""
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[:] = RUBBISH
    return array.view(StrawArray)


def as_straw(tensor: torch.Tensor) -> np.ndarray:
    """Return what `as_cupy` returns, of a tensor in RAM."""
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def make_cupy() -> SimpleNamespace:
    """Return what the launchers use of CuPy."""
    stream = nullcontext(SimpleNamespace(synchronize=lambda: None))
    facts = {
        "sharedMemPerBlockOptin": H100.per_block,
        "sharedMemPerMultiprocessor": H100.per_multiprocessor,
    }
    faults = {
        name: type(name, (Exception,), {}) for name in ("Runtime", "Driver", "Compile", "OOM")
    }
    runtime = SimpleNamespace(
        CUDARuntimeError=faults["Runtime"],
        getDevice=lambda: 0,
        getDeviceProperties=lambda number: facts,
    )
    cuda = SimpleNamespace(
        runtime=runtime,
        driver=SimpleNamespace(CUDADriverError=faults["Driver"]),
        compiler=SimpleNamespace(CompileException=faults["Compile"]),
        memory=SimpleNamespace(OutOfMemoryError=faults["OOM"]),
        Stream=SimpleNamespace(from_external=lambda foreign: stream),
        Device=lambda number: nullcontext(),
        Event=StrawEvent,
        alloc_pinned_memory=PinnedMemory,
        get_current_stream=lambda: SimpleNamespace(synchronize=lambda: None),
    )
    types = {name: getattr(np, name) for name in ("uint8", "int32", "uint32", "float32", "bool_")}
    return SimpleNamespace(cuda=cuda, empty=empty, asarray=np.array, **types)


class StrawRunner:
    """Stands for `launch.run`: emulates the launch and writes its outputs where they belong."""

    def __init__(self, builder: Builder, folder: Path) -> None:
        self.builder, self.folder = builder, folder
        self.launched: list[str] = []

    def __call__(self, launch: Launch, stream: int | None = None) -> None:
        """Run one launch."""
        self.launched.append(launch.kernel)
        arguments = [np.asarray(a) if isinstance(a, np.ndarray) else a for a in launch.arguments]
        program = self.builder.program(launch.kernel, "address", launch.source)
        if launch.kernel == "render_views":
            dtype = next(name for name, source in SOURCES.items() if source == launch.source)
            arguments[0] = read_images(arguments[0], arguments[1], dtype)
        (answers,) = emulate(program, [replace(launch, arguments=tuple(arguments))], self.folder)
        arrays = [argument for argument in arguments if isinstance(argument, np.ndarray)]
        for array, answer in zip(arrays, answers, strict=True):
            if not np.array_equal(array, answer, equal_nan=array.dtype.kind == "f"):
                array[...] = answer


def read_images(pointers: np.ndarray, shapes: np.ndarray, dtype: str) -> HostImages:
    """Return the images that lie at these addresses."""
    images = []
    for pointer, shape in zip(pointers.tolist(), shapes.tolist(), strict=True):
        num_bytes = shape[0] * shape[1] * np.dtype(dtype).itemsize
        data = ctypes.string_at(pointer, num_bytes)
        images.append(np.frombuffer(data, dtype).reshape(shape))
    return HostImages(images)
