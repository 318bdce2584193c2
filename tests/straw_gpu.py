"""A GPU of straw: NumPy in place of CuPy, the kernels run by the emulator, streams of nothing.

Enters: nothing. Leaves: `straw_gpu`, with which everything between the pipeline's images and the
`ViewBatch` runs as on a GPU, on machines without one: what is sent, in which order, to which
kernel. A slow GPU of straw renders late, which shows what it reads then; whether the order of
several streams is right it cannot show.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
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


class StrawStream:
    """Work in its order: done at once, or on a slow GPU when somebody waits for it."""

    def __init__(self) -> None:
        self.slow = False
        self.num_done = 0
        self._queued: list[Callable[[], None]] = []

    def submit(self, work: Callable[[], None]) -> None:
        """Do some work, or queue it."""
        self._queued.append(work)
        if not self.slow:
            self.finish(self.num_queued)

    @property
    def num_queued(self) -> int:
        """Work that the stream has been given so far, done or not."""
        return len(self._queued)

    def finish(self, end: int) -> None:
        """Do what is not done of the first `end` pieces of work."""
        for work in self._queued[self.num_done : end]:
            work()
        self.num_done = max(self.num_done, end)


class StrawEvent:
    """An event of CuPy's or torch's on the one stream there is."""

    def __init__(self, stream: StrawStream, **options: Any) -> None:
        self.stream, self.options = stream, options
        self.end = 0

    def record(self) -> None:
        """Stand behind the work that the stream has been given."""
        self.end = self.stream.num_queued

    def wait(self) -> None:
        """Do nothing: the stream keeps its order."""

    def query(self) -> bool:
        """Tell whether the work before it is done."""
        return self.stream.num_done >= self.end

    def synchronize(self) -> None:
        """Wait for the work before it."""
        self.stream.finish(self.end)


class CurrentStream(nullcontext):
    """The stream that CuPy works on."""

    ptr = 4660

    def synchronize(self) -> None:
        """Do nothing: tables are sent at once."""


def empty(shape: Any, dtype: Any) -> StrawArray:
    """Return an array full of rubbish."""
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[:] = RUBBISH
    return array.view(StrawArray)


def as_straw(tensor: torch.Tensor) -> np.ndarray:
    """Return what `as_cupy` returns, of a tensor in RAM."""
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def make_cupy(queue: StrawStream) -> SimpleNamespace:
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
        Event=partial(StrawEvent, queue),
        alloc_pinned_memory=PinnedMemory,
        get_current_stream=CurrentStream,
    )
    same = ("uint8", "int32", "uint32", "float16", "float32", "bool_", "maximum", "repeat", "where")
    return SimpleNamespace(
        cuda=cuda,
        empty=empty,
        asarray=np.array,
        stack=lambda arrays, axis=0: np.stack(arrays, axis).view(StrawArray),
        **{name: getattr(np, name) for name in same},
    )


class StrawRunner:
    """Stands for `launch.run`: emulates the launch and writes its outputs where they belong.

    On a slow GPU views are rendered late; what else is launched is copied by torch at once.
    """

    def __init__(self, builder: Builder, folder: Path) -> None:
        self.builder, self.folder = builder, folder
        self.stream = StrawStream()
        self.launched: list[str] = []

    def __call__(self, launch: Launch, stream: int | None = None) -> None:
        """Queue one launch."""
        self.launched.append(launch.kernel)
        if launch.kernel == "render_views":
            self.stream.submit(partial(self.run, launch))
        else:
            self.run(launch)

    def run(self, launch: Launch) -> None:
        """Run one launch."""
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
