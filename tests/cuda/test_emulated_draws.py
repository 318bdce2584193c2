"""Maps, windows and cutouts of the CUDA kernels, run on the CPU under sanitizers, to the bit."""

from __future__ import annotations

import pytest

from kernel_cases import cutout_cases, map_cases, window_cases
from kernel_emulator import emulate
from kernel_launches import (
    check_cutouts,
    check_inputs_unchanged,
    check_maps,
    check_windows,
    cutout_launch,
    map_launch,
    window_launch,
)

KERNELS = {
    "integrate_maps": (map_cases, map_launch, check_maps, 2),
    "sample_windows": (window_cases, window_launch, check_windows, 5),
    "sample_cutouts": (cutout_cases, cutout_launch, check_cutouts, 1),
}
MODES = [("address", "forward"), ("address", "reverse"), ("address", "shuffled")]
MODES += [("thread", "forward")]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("sanitizer", "order"), MODES, indirect=["sanitizer"])
def test_parity(kernel, sanitizer, order, builder, tmp_path):
    """No fault, the same answers in every order of threads, and inputs left alone."""
    list_cases, make_launch, check, num_outputs = KERNELS[kernel]
    cases = list_cases()
    if sanitizer == "thread":
        # Races do not depend on the numbers; a map of 256² cells takes long.
        cases = [case for case in cases if "greatest" not in case.name]
    launches = [make_launch(case) for case in cases]
    answers = emulate(builder.program(kernel, sanitizer), launches, tmp_path, order)
    for case, launch, arrays in zip(cases, launches, answers, strict=True):
        check(case, arrays)
        check_inputs_unchanged(launch, arrays, num_outputs)
