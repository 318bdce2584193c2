"""Every kernel compiles with NVRTC for every architecture, and takes what `resources.json` records.

A spill, or a jump of registers or shared memory, is to be looked at before it is recorded:
`python tests/cuda/test_cubins.py` writes the file anew.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from kernel_cubins import (
    ARCHITECTURES,
    PROGRAMS,
    add_cupys_options,
    compile_cubin,
    nvrtc_version,
    read_log,
)

RECORDED = Path(__file__).parent / "resources.json"
# Between minor versions of NVRTC; with the version that recorded, nothing may differ.
REGISTERS_APART, SHARED_BYTES_APART = 8, 64
# What a thread may have of 65,536 registers where as many blocks run as `__launch_bounds__` says.
MOST_REGISTERS = {
    "integrate_maps": 64,
    "sample_windows": 80,
    "sample_cutouts": 64,
    "render_views": 80,
}
# Where fewer blocks are asked for.
MOST_REGISTERS_ON = {("sample_windows", name): 128 for name in ("sm_100", "sm_120")}


def name_of(kernel: str, source: str) -> str:
    return f"{kernel}<{source}>" if source else kernel


def compile_all() -> dict:
    return {
        "nvrtc": nvrtc_version(),
        "kernels": {
            name_of(kernel, source): {
                architecture: compile_cubin(kernel, source, architecture)
                for architecture in ARCHITECTURES
            }
            for kernel, source in PROGRAMS
        },
    }


@pytest.fixture(scope="module")
def recorded() -> dict:
    return json.loads(RECORDED.read_text())


@pytest.fixture(scope="module", autouse=True)
def _nvrtc() -> None:
    if importlib.util.find_spec("cuda.bindings") is None:
        pytest.skip("cubins need NVRTC: install cuda-bindings, which is in the extra dev")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("kernel", "source"), PROGRAMS)
def test_kernel_takes_what_was_recorded(kernel, source, architecture, recorded):
    found = compile_cubin(kernel, source, architecture)
    expected = recorded["kernels"][name_of(kernel, source)][architecture]
    assert found["spilled_bytes"] == 0
    most = MOST_REGISTERS_ON.get((kernel, architecture), MOST_REGISTERS[kernel])
    assert 0 < found["registers"] <= most
    if nvrtc_version() == recorded["nvrtc"]:
        assert found == expected
    assert abs(found["registers"] - expected["registers"]) <= REGISTERS_APART
    assert found["stack_bytes"] <= expected["stack_bytes"]
    assert abs(found["shared_bytes"] - expected["shared_bytes"]) <= SHARED_BYTES_APART


def test_everything_is_recorded_and_nothing_else(recorded):
    names = {name_of(kernel, source) for kernel, source in PROGRAMS}
    assert set(recorded["kernels"]) == names
    assert all(set(rows) == set(ARCHITECTURES) for rows in recorded["kernels"].values())


def test_cubins_are_compiled_with_all_that_cupy_adds():
    given = add_cupys_options(("--std=c++17", "-DSOURCE=uint8"), "sm_90")
    assert {"--std=c++17", "-DSOURCE=uint8", "-arch=sm_90"} < set(given)
    assert {"-ftz=true", "--device-as-default-execution-space"} < set(given)
    assert not any(option.startswith("--fmad") for option in given)


def test_a_spill_is_read_from_the_log():
    log = (
        "ptxas info : Function properties for k\n"
        "    40 bytes stack frame, 36 bytes spill stores, 44 bytes spill loads\n"
        "ptxas info : Used 32 registers, used 1 barriers, 40 bytes cumulative stack size, 128 "
        "bytes smem, 400 bytes cmem[0]\n"
    )
    expected = {"registers": 32, "shared_bytes": 128, "stack_bytes": 40, "spilled_bytes": 36}
    assert read_log(log) == expected


def test_a_source_that_does_not_compile_is_a_failure():
    with pytest.raises(AssertionError, match=r"render_views\.cu for sm_90"):
        compile_cubin("render_views", "no_such_type", "sm_90")


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(compile_all(), indent=1) + "\n")
