"""Compile the CUDA kernels to cubins with NVRTC, which needs no GPU, and read what they take.

Enters: the .cu files. Leaves: registers, spills, stack and shared memory of each kernel on each
architecture, compared by `cuda/test_cubins.py` with what `cuda/resources.json` recorded.
"""

from __future__ import annotations

import importlib
import re
from contextlib import suppress
from typing import Any
from unittest.mock import patch

from gca_dali_kernels.launch import compile_options, read_source

ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_100", "sm_120")
# Every kernel, and what SOURCE is compiled as.
PROGRAMS = (
    ("integrate_maps", ""),
    ("sample_windows", ""),
    ("sample_cutouts", ""),
    ("render_views", "uint8"),
    ("render_views", "uint16"),
    ("render_views", "float"),
)
PATTERNS = {
    "registers": r"Used (\d+) registers",
    "shared_bytes": r"(\d+) bytes smem",
    "stack_bytes": r"(\d+) bytes stack frame",
    "spilled_bytes": r"(\d+) bytes spill stores",
}

Resources = dict[str, int]


def compile_cubin(kernel: str, source: str, architecture: str) -> Resources:
    """Compile a kernel and return what ptxas reports of it.

    Raises
    ------
    AssertionError
        If it does not compile, with the compiler's log.
    """
    nvrtc: Any = importlib.import_module("cuda.bindings.nvrtc")
    options = [*add_cupys_options(compile_options(source), architecture), "--ptxas-options=-v"]
    name = f"{kernel}.cu".encode()
    _, program = nvrtc.nvrtcCreateProgram(read_source(kernel).encode(), name, 0, [], [])
    (result,) = nvrtc.nvrtcCompileProgram(program, len(options), [o.encode() for o in options])
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(program)
    text = log.decode()
    assert int(result) == 0, f"{kernel}.cu for {architecture}:\n{text}"
    assert "warning" not in text, text
    return read_log(text)


class Captured(Exception):
    """NVRTC was about to compile."""


def add_cupys_options(options: tuple[str, ...], architecture: str) -> list[str]:
    """Return all that CuPy gives to NVRTC when it is given these options; CuPy itself tells.

    Only what CuPy would ask a driver is answered here: the architecture and a preprocessed file
    for the name in its cache.
    """
    core: Any = importlib.import_module("cupy._core.core")
    compiler: Any = importlib.import_module("cupy.cuda.compiler")
    given: list[str] = []

    def capture(program: Any, options: tuple[str, ...] = (), log_stream: Any = None) -> None:
        given.extend(options)
        raise Captured

    answers = {
        "_get_arch": lambda: architecture.removeprefix("sm_"),
        "_get_arch_for_options_for_nvrtc": lambda arch=None: (f"-arch={architecture}", "cubin"),
        "_preprocess": lambda *source: "",
    }
    with (
        patch.multiple(compiler, **answers),
        patch.object(compiler._NVRTCProgram, "compile", capture),
        suppress(Captured),
    ):
        core.compile_with_cache("", options, backend="nvrtc")
    return given


def read_log(text: str) -> Resources:
    """Return what ptxas -v reports of the one kernel of a program; sums over its functions."""
    return {
        name: sum(int(number) for number in re.findall(pattern, text))
        for name, pattern in PATTERNS.items()
    }


def nvrtc_version() -> str:
    """Return NVRTC's version."""
    nvrtc: Any = importlib.import_module("cuda.bindings.nvrtc")
    _, major, minor = nvrtc.nvrtcVersion()
    return f"{major}.{minor}"
