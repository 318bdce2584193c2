"""The real kernels on a GPU against the reference: the cases of the emulation, and streams.

Skipped without a GPU; `REQUIRE_GPU=1` makes that a failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gca_dali_kernels.integrate_maps import integrate_maps
from gca_dali_kernels.render_views import SOURCES, ImageTable, render_views
from gca_dali_kernels.resident import Sender
from gca_dali_kernels.sample_cutouts import sample_cutouts
from gca_dali_kernels.sample_windows import sample_windows
from kernel_cases import cutout_cases, map_cases, pyramid_cases, view_cases, window_cases
from kernel_inputs import CutoutCase, ViewCase, WindowCase
from kernel_launches import check_cutouts, check_maps, check_views, check_windows

pytestmark = pytest.mark.gpu

SMALL_WINDOWS = ("hold_7x6", "turned_7x6", "grows_11x13", "hold_few_7x6", "three_kinds_7x6")
SMALL_VIEWS = ("everything_upright", "everything_turned", "tiny_size_7x13", "uint16_turned")


def send(*arrays: np.ndarray) -> list[Any]:
    import cupy

    return [cupy.asarray(array) for array in arrays]


def receive(arrays: Any) -> list[np.ndarray]:
    return [array.get() for array in arrays]


def run_windows(case: WindowCase, stream: int | None = None) -> Any:
    integrals, marks, index, shapes = send(case.integrals, case.marks, case.index, case.shapes)
    return sample_windows(integrals, marks, index, shapes, case.key, case.laws, stream)


def run_cutouts(case: CutoutCase) -> Any:
    *arrays, key, laws = case.inputs
    integrals, windows, turns, index, shapes = send(*arrays)
    return sample_cutouts(integrals, windows, turns, index, shapes, key, laws)


def run_views(
    case: ViewCase, dtype: str = "float32", lead: int = 0, stream: int | None = None
) -> np.ndarray:
    """Render into the transpose of [V, B, …]; images lie `lead` bytes behind a round address."""
    import cupy

    buffers = []
    for image in case.images:
        # The kernel reads whole words, the last of which may end behind the image.
        num_bytes = -(-(image.nbytes + lead) // 4) * 4
        buffers.append(cupy.empty(num_bytes, cupy.uint8))
        pixels = cupy.asarray(image.reshape(-1).view(np.uint8))
        buffers[-1][lead : lead + image.nbytes] = pixels
    pointers = np.array([buffer.data.ptr + lead for buffer in buffers], np.uint64)
    pointers, shapes = send(pointers, case.window.shapes)
    images = ImageTable(pointers, shapes, str(case.images[0].dtype))
    plan = send(case.maps, np.arange(len(case.images)), case.window.marks, *case.plan)
    views = cupy.full((len(case.looks), len(case.images), *case.size), 77, dtype).swapaxes(0, 1)
    ranges, index = send(case.ranges, case.index)
    cupy.cuda.get_current_stream().synchronize()
    render_views(images, ranges, tuple(plan), index, case.key, case.group, views, stream)
    cupy.cuda.runtime.deviceSynchronize()
    return views.get()


def test_integrate_maps():
    for case in map_cases():
        table, rows = send(case.maps, np.arange(len(case.maps))[::-1].copy())
        check_maps(case, receive(integrate_maps(table, rows)))


def test_sample_windows():
    for case in window_cases():
        check_windows(case, receive(run_windows(case)))


def test_sample_cutouts():
    for case in cutout_cases():
        check_cutouts(case, receive([run_cutouts(case)]))


@pytest.mark.parametrize("dtype", SOURCES)
def test_render_views(dtype):
    cases = [case for case in view_cases() + pyramid_cases() if case.images[0].dtype == dtype]
    for case in cases:
        check_views(case, [run_views(case)])
    for lead in (1, 2, 4) if dtype == "uint8" else (4, 8):
        check_views(cases[0], [run_views(cases[0], lead=lead)])


def test_half_precision():
    case = next(case for case in view_cases() if case.name == "look_normalise")
    single = run_views(case)
    np.testing.assert_array_equal(run_views(case, "float16"), single.astype(np.float16))
    bits = single.copy().view(np.uint32)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    np.testing.assert_array_equal(run_views(case, "uint16"), rounded.astype(np.uint16))


@pytest.fixture
def _true_sizes() -> Iterator[None]:
    """Each array in memory of its own: in CuPy's pool up to 511 bytes behind it are valid too."""
    import cupy

    cupy.cuda.set_allocator(None)
    yield
    cupy.cuda.set_allocator(cupy.get_default_memory_pool().malloc)


@pytest.mark.usefixtures("_true_sizes")
def test_small_cases():
    """A few cases of each kernel: what compute-sanitizer watches."""
    for case in map_cases()[:3]:
        table, rows = send(case.maps, np.arange(len(case.maps))[::-1].copy())
        check_maps(case, receive(integrate_maps(table, rows)))
    for window in (case for case in window_cases() if case.name in SMALL_WINDOWS):
        check_windows(window, receive(run_windows(window)))
    for cutout in (case for case in cutout_cases() if case.name.endswith("turned_7x6")):
        check_cutouts(cutout, receive([run_cutouts(cutout)]))
    for view in (case for case in view_cases() if case.name in SMALL_VIEWS):
        check_views(view, [run_views(view)])


def test_a_side_stream_behind_slow_work():
    """Launches are ordered on the stream they are given, whatever else is queued."""
    import cupy
    import torch

    case = next(case for case in window_cases() if case.name == "usual_turned")
    inputs = (case.integrals, case.marks, case.index, case.shapes)
    run_windows(case)  # compiles
    stream = torch.cuda.Stream()
    sender = Sender()
    outputs = []
    with torch.cuda.stream(stream):
        torch.cuda._sleep(200_000_000)
        for seed in range(8):  # more than the sender has buffers
            integrals, marks, index, shapes = sender.send(inputs, stream.cuda_stream)
            key, laws = (seed, 3), case.laws
            outputs.append(
                sample_windows(integrals, marks, index, shapes, key, laws, stream.cuda_stream)
            )
    assert isinstance(outputs[0][0], cupy.ndarray)
    stream.synchronize()
    for seed, found in enumerate(outputs):
        check_windows(replace(case, key=(seed, 3)), receive(found))
