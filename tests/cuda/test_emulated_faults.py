"""The tests of the CUDA kernels can fail: every planted fault is caught.

Each fault is a change of the kernel's text: a bound off by one, a wrong lane, a missing barrier.
A fault counts as caught if a sanitizer stops the program or an answer differs.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kernel_cases import (
    CUTOUT_LAWS,
    cutout_cases,
    map_cases,
    pyramid_cases,
    view_cases,
    window_cases,
)
from kernel_emulator import Builder, KernelFault, Mutation, emulate, mutated_sources
from kernel_launches import (
    check_cutouts,
    check_maps,
    check_views,
    check_windows,
    cutout_launch,
    map_launch,
    view_launch,
    window_launch,
)

WINDOWS = ("grows_11x13", "turned_7x6", "rejection_weight_1_7x6", "single")
WINDOWS += (
    "hold_few_7x6",
    "usual_hold",
    "two_and_eight_7x6",
    "three_kinds_7x6",
    "relative_all_7x6",
)
CUTOUTS = tuple(f"{law}_{window}" for law in CUTOUT_LAWS for window in ("usual_turned", "single"))
VIEWS = ("size_33x17", "look_blur", "everything_upright", "uint8_turned", "tiny_size_7x13")
VIEWS += ("pyramid_2x3",)  # more rows under a pixel than a warp has lanes


def all_view_cases():
    return view_cases() + pyramid_cases()


KERNELS = {
    "integrate_maps": (map_cases, map_launch, check_maps, ("kinds_37x61", "kinds_7x1")),
    "sample_windows": (window_cases, window_launch, check_windows, WINDOWS),
    "sample_cutouts": (cutout_cases, cutout_launch, check_cutouts, CUTOUTS),
    "render_views": (all_view_cases, view_launch, check_views, VIEWS),
}


@dataclass(frozen=True)
class Fault:
    """A change of one file that a kernel's tests must catch."""

    kernel: str
    name: str
    mutation: Mutation
    sanitizer: str = "address"


def fault(kernel: str, name: str, file: str, old: str, new: str = "") -> Fault:
    """Return a fault; missing barriers are looked for by the thread sanitizer."""
    sanitizer = "thread" if name.startswith("no_barrier") else "address"
    return Fault(kernel, name, Mutation(file, old, new), sanitizer)


MAPS_CU, WINDOWS_CU, CUTOUTS_CU = "integrate_maps.cu", "sample_windows.cu", "sample_cutouts.cu"
OVER_WARP = "_over_warp(int64 value) {\n#pragma unroll\n    for (int distance = WARP_SIZE / "
SUM, MOST = "sum" + OVER_WARP, "max" + OVER_WARP
FAULTS = [
    fault("integrate_maps", "last_column", MAPS_CU, "x <= width; x +=", "x < width; x +="),
    fault("integrate_maps", "row_too_far", MAPS_CU, "if (first + k <= height) i", "i"),
    fault("integrate_maps", "wrong_lane", MAPS_CU, "sum, WARP_SIZE - 1)", "sum, WARP_SIZE - 2)"),
    fault(
        "integrate_maps",
        "no_barrier_before_columns",
        MAPS_CU,
        "    __syncthreads();\n    sum_along_columns",
        "    sum_along_columns",
    ),
    fault(
        "integrate_maps",
        "no_barrier_in_count",
        MAPS_CU,
        "warp_sums[warp] = sum;\n    __syncthreads();",
        "warp_sums[warp] = sum;",
    ),
    fault(
        "sample_windows",
        "one_candidate_more",
        WINDOWS_CU,
        "if (number < law.num_candidates) {\n                const bool",
        "if (number <= law.num_candidates) {\n                const bool",
    ),
    fault("sample_windows", "edge_column", "search.cuh", "num_cells + 1),\n", "num_cells),\n"),
    fault("sample_windows", "wrong_lane", "search.cuh", "__ffs(viable) - 1", "__ffs(viable)"),
    fault("sample_windows", "half_warp", "mass.cuh", SUM + "2; d", SUM + "4; d"),
    fault("sample_windows", "half_warp_of_most", "mass.cuh", MOST + "2; d", MOST + "4; d"),
    fault(
        "sample_windows",
        "no_barrier_before_lowest",
        WINDOWS_CU,
        "atomicMin(&board.lowest, number);\n                __syncthreads();",
        "atomicMin(&board.lowest, number);",
    ),
    fault(
        "sample_windows",
        "no_barrier_before_choice",
        WINDOWS_CU,
        "}\n                __syncthreads();\n                return board.choice;",
        "}\n                return board.choice;",
    ),
    fault(
        "sample_windows",
        "no_barrier_heaviest",
        WINDOWS_CU,
        "] = most;\n        __syncthreads();",
        "] = most;",
    ),
    fault(
        "sample_windows",
        "overlap_of_one",
        WINDOWS_CU,
        "before <= num_earlier",
        "before < num_earlier",
    ),
    fault(
        "sample_windows",
        "focus_column",
        "draw.cuh",
        "map.width, level, [&]",
        "map.width - 1, level, [&]",
    ),
    fault("sample_windows", "other_group", WINDOWS_CU, "law = laws[group];", "law = laws[0];"),
    fault(
        "sample_windows",
        "no_barrier_next_search",
        "search.cuh",
        "__syncthreads();  // the next",
        "//",
    ),
    fault("sample_windows", "no_barrier_strip", "search.cuh", "__syncwarp();  // the strip", "//"),
    fault(
        "sample_cutouts",
        "one_redraw_less",
        CUTOUTS_CU,
        "if (number <= law.num_redraws)",
        "if (number < law.num_redraws)",
    ),
    fault("sample_cutouts", "wrong_lane", "mass.cuh", "lane % 3 == 0", "lane % 2 == 0"),
    fault(
        "sample_cutouts",
        "no_barrier_before_lowest",
        CUTOUTS_CU,
        "atomicMin(&lowest, number);\n            __syncthreads();",
        "atomicMin(&lowest, number);",
    ),
    fault("sample_cutouts", "no_barrier_corners", "mass.cuh", "    __syncwarp();\n\n"),
    fault("render_views", "last_tap", "resample.cuh", ") - 1, axis.high - 1)", ") - 1, axis.high)"),
    fault("render_views", "blur_edge", "appearance.cuh", "view_width - 1)", "view_width)"),
    fault(
        "render_views", "last_word", "pixels.cuh", "min(word + k + 1, last_word)", "word + k + 1"
    ),
    fault("render_views", "odd_pair", "pixels.cuh", "if (both) at[1]", "at[1]"),
    fault("render_views", "wrong_lane", "resample.cuh", "weights[lane] =", "weights[lane ^ 1] ="),
    fault(
        "render_views",
        "no_barrier_before_columns",
        "resample.cuh",
        "            __syncthreads();\n            sum_columns",
        "            sum_columns",
    ),
    fault("render_views", "no_barrier_batch", "resample.cuh", "__syncwarp();  // the batch", "//"),
    fault(
        "render_views",
        "no_barrier_blur",
        "appearance.cuh",
        "        __syncwarp();\n        for",
        "for",
    ),
    fault(
        "render_views",
        "no_barrier_before_finish",
        "render_views.cu",
        "    __syncthreads();\n    finish",
        "    finish",
    ),
]


def is_caught(fault: Fault, builder: Builder, folder) -> bool:
    """Tell whether the fault stops the program or changes an answer."""
    list_cases, make_launch, check, names = KERNELS[fault.kernel]
    cases = [case for case in list_cases() if case.name in names]
    assert len(cases) == len(names)
    source = "uint8" if fault.kernel == "render_views" else ""
    program = builder.program(fault.kernel, fault.sanitizer, source, fault.mutation)
    try:
        answers = emulate(program, [make_launch(case) for case in cases], folder)
        for case, arrays in zip(cases, answers, strict=True):
            check(case, arrays)
    except (KernelFault, AssertionError):
        return True
    return False


@pytest.mark.parametrize(
    ("fault", "sanitizer"),
    [(fault, fault.sanitizer) for fault in FAULTS],
    ids=[f"{fault.kernel}-{fault.name}" for fault in FAULTS],
    indirect=["sanitizer"],
)
def test_planted_fault_is_caught(fault, sanitizer, builder, tmp_path):
    assert is_caught(fault, builder, tmp_path)


@pytest.mark.parametrize("kernel", KERNELS)
def test_each_kernel_has_every_kind_of_fault(kernel):
    names = [fault.name for fault in FAULTS if fault.kernel == kernel]
    assert "wrong_lane" in names
    assert any(name.startswith("no_barrier") for name in names)
    assert len(names) >= 4


def test_a_fault_that_does_not_apply_is_refused():
    with pytest.raises(AssertionError, match="must occur once"):
        mutated_sources(Mutation("mass.cuh", "no such text", ""))
