"""Run the CUDA kernels on the CPU: build a .cu with the host compiler, feed it launches, read back.

Enters: `Launch`es that the launchers of `gca_dali_kernels` build, with NumPy arrays in place of
CuPy's. Leaves: the arrays after the launch. The programs (`cuda/emulation`) are built under
AddressSanitizer with UndefinedBehaviorSanitizer, or under ThreadSanitizer, which finds barriers
that are missing.
"""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gca_dali_kernels.launch import FOLDER, Launch

EMULATION = Path(__file__).parent / "cuda" / "emulation"
ORDERS = {"forward": 0, "reverse": 1, "shuffled": 2}
VALUE, BUFFER, TARGET, POINTERS = range(4)
SANITIZERS = {
    "address": (
        "-fsanitize=address,undefined,float-cast-overflow",
        "-fno-sanitize-recover=all",
        "-DEMULATE_UNDER_ASAN",
    ),
    "thread": ("-fsanitize=thread",),
}
# The runtime itself is not watched: see runtime.cpp.
RUNTIME = {"address": ("-O2", "-DEMULATE_UNDER_ASAN"), "thread": ("-O2", "-DEMULATE_UNDER_TSAN")}
FLAGS = ("-std=c++17", "-O1", "-g", "-Wall", "-Wno-unknown-pragmas", f"-I{EMULATION}")
DYNAMIC_SHARED = {"render_views": "float4 shared"}
# Of processor time: machines that pause do not fail a test, endless loops do.
MOST_SECONDS = 300


class KernelFault(AssertionError):
    """A sanitizer or the emulation stopped the kernel."""


@dataclass(frozen=True)
class HostImages:
    """What stands for the pointers of an `ImageTable`: images, `lead` bytes behind an address
    divisible by 16.
    """

    images: Sequence[np.ndarray]
    lead: int = 0


@dataclass(frozen=True)
class Mutation:
    """A fault to plant: `old` occurs once in `file` and is replaced by `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Builder:
    """Builds programs into a folder, each once."""

    folder: Path
    compiler: str = field(default_factory=lambda: find_compiler() or "")

    def program(
        self, kernel: str, sanitizer: str, source: str = "", mutation: Mutation | None = None
    ) -> Path:
        """Return the program of a kernel, built where it is not there yet."""
        sources = mutated_sources(mutation)
        flags = [*FLAGS, *SANITIZERS[sanitizer], f"-DKERNEL={kernel}_kernel"]
        flags += [f'-DKERNEL_FILE="{kernel}.cu"']
        flags += [f"-DSOURCE={source}"] if source else []
        flags += (
            [f"-D{'DYNAMIC_SHARED'}={DYNAMIC_SHARED[kernel]}"] if kernel in DYNAMIC_SHARED else []
        )
        emulation = b"".join(file.read_bytes() for file in sorted(EMULATION.iterdir()))
        key = repr((sources, emulation, flags, RUNTIME[sanitizer], self.compiler)).encode()
        name = f"{kernel}-{hashlib.sha256(key).hexdigest()[:16]}"
        program = self.folder / name
        if program.exists():
            return program
        mine = self.folder / f"{name}.{os.getpid()}"
        mine.mkdir(parents=True)
        for file, text in sources.items():
            (mine / file).write_text(text)
        runtime = self.runtime(sanitizer, emulation)
        self.compile(*flags, f"-I{mine}", EMULATION / "driver.cpp", runtime, "-o", mine / "program")
        os.replace(mine / "program", program)
        shutil.rmtree(mine)
        return program

    def runtime(self, sanitizer: str, emulation: bytes) -> Path:
        """Return the runtime's object file, built where it is not there yet."""
        key = repr((emulation, RUNTIME[sanitizer], self.compiler)).encode()
        built = self.folder / f"runtime-{hashlib.sha256(key).hexdigest()[:16]}.o"
        if not built.exists():
            mine = built.with_suffix(f".{os.getpid()}.o")
            self.compile("-c", *FLAGS, *RUNTIME[sanitizer], EMULATION / "runtime.cpp", "-o", mine)
            os.replace(mine, built)
        return built

    def compile(self, *arguments: object) -> None:
        """Call the compiler; fail with what it says."""
        command = [self.compiler, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
        assert "warning" not in done.stderr, done.stderr


def find_compiler() -> str | None:
    """Return the host's C++ compiler."""
    return shutil.which(os.environ.get("CXX", "g++"))


def mutated_sources(mutation: Mutation | None) -> dict[str, str]:
    """Return the text of all kernel files, with the fault planted."""
    files = sorted([*FOLDER.glob("*.cu"), *FOLDER.glob("*.cuh")])
    sources = {file.name: file.read_text() for file in files}
    if mutation is not None:
        text = sources[mutation.file]
        assert text.count(mutation.old) == 1, f"{mutation.old!r} must occur once"
        sources[mutation.file] = text.replace(mutation.old, mutation.new)
        assert sources[mutation.file] != text
    return sources


def emulate(
    program: Path, launches: Sequence[Launch], folder: Path, order: str = "forward"
) -> list[list[np.ndarray]]:
    """Run launches one after the other.

    Parameters
    ----------
    program : pathlib.Path
        Of `Builder`.
    launches : sequence of Launch
    folder : pathlib.Path
        For the two files that are exchanged.
    order : str
        "forward", "reverse" or "shuffled": which thread runs first.

    Returns
    -------
    list of list of numpy.ndarray
        For each launch its array arguments as the kernel left them.

    Raises
    ------
    KernelFault
        If a sanitizer or the emulation reports a fault.
    """
    request, answer = folder / "request.bin", folder / "answer.bin"
    with request.open("wb") as file:
        for launch in launches:
            file.write(pack_launch(launch, ORDERS[order]))
    environment = os.environ | {
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
        "TSAN_OPTIONS": "halt_on_error=1:report_signal_unsafe=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    done = subprocess.run(
        [program, request, answer],
        capture_output=True,
        text=True,
        env=environment,
        preexec_fn=limit_time,
        check=False,
    )
    if done.returncode != 0:
        raise KernelFault(done.stderr[:4000] or f"exit status {done.returncode}")
    return unpack_answer(answer.read_bytes(), launches)


def limit_time() -> None:
    """Limit the processor time of this process."""
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))


def pack_launch(launch: Launch, order: int) -> bytes:
    """Return a launch as the runtime reads it."""
    parts = []
    for argument in launch.arguments:
        if isinstance(argument, np.generic):
            parts.append(pack_argument(VALUE, argument.tobytes()))
        elif isinstance(argument, HostImages):
            parts += [pack_argument(TARGET, i.tobytes(), argument.lead) for i in argument.images]
            parts.append(pack_argument(POINTERS, bytes(8 * len(argument.images))))
        else:
            parts.append(pack_argument(BUFFER, whole_array(argument).tobytes()))
    header = (*launch.grid, launch.num_threads, launch.num_shared_bytes, order, len(parts))
    return np.array(header, np.int64).tobytes() + b"".join(parts)


def pack_argument(kind: int, data: bytes, lead: int = 0) -> bytes:
    """Return one argument with its header."""
    return np.array((kind, len(data), lead), np.int64).tobytes() + data


def whole_array(array: np.ndarray) -> np.ndarray:
    """Return the contiguous array whose memory an array is a view of."""
    if array.flags.c_contiguous:
        return array
    assert isinstance(array.base, np.ndarray) and array.base.flags.c_contiguous
    assert array.base.ctypes.data == array.ctypes.data
    return array.base


def unpack_answer(data: bytes, launches: Sequence[Launch]) -> list[list[np.ndarray]]:
    """Return the arrays of each launch, in the shape they were given in."""
    position, answers = 0, []
    for launch in launches:
        arrays = []
        for argument in launch.arguments:
            if isinstance(argument, np.ndarray):
                whole = whole_array(argument)
                after = np.frombuffer(data, whole.dtype, whole.size, position).reshape(whole.shape)
                position += whole.nbytes
                arrays.append(
                    np.ndarray(
                        argument.shape, argument.dtype, after.copy().data, 0, argument.strides
                    )
                )
        answers.append(arrays)
    assert position == len(data)
    return answers
