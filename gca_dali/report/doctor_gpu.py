"""Look for a GPU, its driver, CuPy and NVRTC; run by :mod:`gca_dali.report.doctor`.

``python -m gca_dali.report.doctor_gpu`` prints one JSON object: ``driver`` (text, empty without
one), ``devices`` (name, compute capability, memory), ``cupy`` and ``nvrtc`` ("ok" or what is wrong)
and ``loader``: the device that a loader takes, or why it takes no GPU and what to do about it.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

_KERNEL = 'extern "C" __global__ void add_one(int* x) { x[threadIdx.x] += 1; }'
_ARCHITECTURE = "sm_80"


def read_driver() -> str:
    """Read the version of the kernel driver; empty without one."""
    try:
        first = Path("/proc/driver/nvidia/version").read_text().splitlines()[0]
    except (OSError, IndexError):
        return ""
    numbers = [word for word in first.split() if word[0].isdigit() and "." in word]
    return numbers[0] if numbers else first


def list_devices() -> list[dict[str, Any]]:
    """List the GPUs that CuPy sees.

    Returns
    -------
    list of dict
        ``name``, ``compute_capability`` and ``memory_gib`` of each.

    Raises
    ------
    ImportError
        If CuPy is not installed.
    RuntimeError
        If the driver does not answer.
    """
    runtime: Any = importlib.import_module("cupy").cuda.runtime

    devices = []
    for place in range(runtime.getDeviceCount()):
        facts = runtime.getDeviceProperties(place)
        devices.append(
            {
                "name": facts["name"].decode(),
                "compute_capability": f"{facts['major']}.{facts['minor']}",
                "memory_gib": round(facts["totalGlobalMem"] / 2**30, 1),
            }
        )
    return devices


def run_kernel() -> None:
    """Compile and run a kernel of one line with CuPy.

    Raises
    ------
    RuntimeError
        If it gives a wrong answer; CuPy raises its own errors.
    """
    import cupy

    values = cupy.zeros(32, cupy.int32)
    cupy.RawKernel(_KERNEL, "add_one")((1,), (32,), (values,))
    if int(values.sum()) != 32:
        raise RuntimeError("a test kernel gave a wrong answer")


def compile_kernel() -> str:
    """Compile the same kernel with NVRTC, which needs no GPU.

    Returns
    -------
    str
        "ok, VERSION" or what is wrong.
    """
    try:
        nvrtc: Any = importlib.import_module("cuda.bindings.nvrtc")
    except ImportError as error:
        return f"cuda-bindings is not installed ({error})"
    _, major, minor = nvrtc.nvrtcVersion()
    _, program = nvrtc.nvrtcCreateProgram(_KERNEL.encode(), b"add_one.cu", 0, [], [])
    option = f"--gpu-architecture={_ARCHITECTURE}".encode()
    (result,) = nvrtc.nvrtcCompileProgram(program, 1, [option])
    if int(result):
        return f"NVRTC {major}.{minor} cannot compile for {_ARCHITECTURE}: {result}"
    return f"ok, {major}.{minor}"


def find_loader_device() -> str:
    """Ask `choose_device` for a GPU.

    Returns
    -------
    str
        "cuda:N", or why there is none and the remedy.
    """
    from gca_dali.steps.device import choose_device

    try:
        return choose_device("cuda")
    except RuntimeError as error:
        return str(error)


def _explain(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def main() -> None:
    """Print what was found."""
    driver, devices, cupy = read_driver(), [], "ok"
    try:
        devices = list_devices()
        if devices:
            run_kernel()
        else:
            cupy = "no CUDA device"
    except Exception as error:  # whatever CuPy or the driver raises is the finding
        cupy = _explain(error) if driver else f"no NVIDIA driver ({_explain(error)})"
    try:
        nvrtc = compile_kernel()
    except Exception as error:  # a library that is there but does not load
        nvrtc = _explain(error)
    try:
        loader = find_loader_device()
    except Exception as error:
        loader = _explain(error)
    found = {"driver": driver, "devices": devices, "cupy": cupy, "nvrtc": nvrtc, "loader": loader}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
