"""Views of the CUDA kernel, run on the CPU under sanitizers, within the tolerance table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gca_dali_kernels.launch import Launch
from gca_dali_kernels.look import ViewLook
from gca_dali_kernels.render_views import SOURCES
from kernel_cases import pyramid_cases, view_cases
from kernel_emulator import KernelFault, emulate
from kernel_inputs import ViewCase
from kernel_launches import check_inputs_unchanged, check_views, view_launch


def cases_of(dtype: str) -> list[ViewCase]:
    return [case for case in view_cases() + pyramid_cases() if case.images[0].dtype == dtype]


def case_named(name: str) -> ViewCase:
    return next(case for case in view_cases() + pyramid_cases() if case.name == name)


@pytest.mark.parametrize("dtype", SOURCES)
@pytest.mark.parametrize(
    ("sanitizer", "order"),
    [("address", "forward"), ("address", "reverse"), ("thread", "forward")],
    indirect=["sanitizer"],
)
def test_parity(dtype, sanitizer, order, builder, tmp_path):
    cases = cases_of(dtype)
    launches = [view_launch(case) for case in cases]
    program = builder.program("render_views", sanitizer, SOURCES[dtype])
    answers = emulate(program, launches, tmp_path, order)
    for case, launch, arrays in zip(cases, launches, answers, strict=True):
        check_views(case, arrays)
        check_inputs_unchanged(launch, arrays, 1)


@pytest.mark.parametrize(
    ("dtype", "leads"), [("uint8", (1, 2, 3, 4)), ("uint16", (2, 4, 8)), ("float32", (4, 8))]
)
def test_images_at_any_address(dtype, leads, sanitizer, builder, tmp_path):
    """Images that DALI packs behind each other start anywhere; none is read beyond its words."""
    wanted = ("pyramid_uint8", "uint8_turned", f"{dtype}_upright", "tiny_size_7x13")
    cases = [case for case in cases_of(dtype) if case.name in wanted]
    pairs = [(case, view_launch(case, lead)) for case in cases for lead in leads]
    program = builder.program("render_views", sanitizer, SOURCES[dtype])
    answers = emulate(program, [launch for _, launch in pairs], tmp_path)
    for (case, _), arrays in zip(pairs, answers, strict=True):
        check_views(case, arrays)


@pytest.mark.parametrize("tile", [(8, 8), (16, 10), (5, 2)])
def test_tiles_meet_without_a_seam(tile, sanitizer, builder, tmp_path):
    """Small tiles with margins give what one tile gives."""
    names = ("size_33x17", "look_blur", "everything_upright", "everything_turned")
    cases = [case_named(name) for name in (*names, "blur_wider_than_view")]
    launches = [view_launch(case, tile=tile) for case in cases]
    assert all(launch.grid[0] > 1 for launch in launches[:4])
    program = builder.program("render_views", sanitizer, "uint8")
    for case, arrays in zip(cases, emulate(program, launches, tmp_path), strict=True):
        check_views(case, arrays)


def test_half_precision(sanitizer, builder, tmp_path):
    """float16 and bfloat16 are the float32 views, rounded once to nearest."""
    cases = [case_named(name) for name in ("look_normalise", "size_7x13", "size_33x17")]
    dtypes = (np.float32, np.float16, np.uint16)
    program = builder.program("render_views", sanitizer, "uint8")
    for case in cases:
        launches = [view_launch(case, dtype=dtype) for dtype in dtypes]
        single, half, brain = (arrays[-1] for arrays in emulate(program, launches, tmp_path))
        np.testing.assert_array_equal(half, single.astype(np.float16))
        bits = single.view(np.uint32) if single.flags.c_contiguous else single.copy().view("u4")
        rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
        np.testing.assert_array_equal(brain, rounded.astype(np.uint16))


def test_too_little_shared_memory_is_noticed(sanitizer, builder, tmp_path):
    """The launcher's formula for shared memory leaves nothing over: a few bytes less is a fault."""
    widest = ViewLook(blur=1.0, blur_sigma_px=(2.0, 2.0))
    launch = view_launch(replace(case_named("look_blur"), looks=(widest, widest)))
    fields = {**vars(launch), "num_shared_bytes": launch.num_shared_bytes - 8}
    with pytest.raises(KernelFault, match="use-after-poison"):
        emulate(builder.program("render_views", sanitizer, "uint8"), [Launch(**fields)], tmp_path)
