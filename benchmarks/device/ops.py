"""Each kernel on the GPU, beside a device copy in the same run.

`python -m benchmarks.device.ops OUT.json`. Bytes of `render_views` are the source's within each
window and the views', each once; those of the others all they read and write.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.device.timing import gpu_row, time_on_gpu
from benchmarks.ops.inputs import gaze_maps, smooth_image
from benchmarks.row import Row, write_rows
from gca_dali.policy.view_policy import ViewPolicy

BATCH, NUM_VIEWS, KEY = 256, 2, (0, 1)
COPY_BYTES = 2**30
# Of how a multiprocessor's memory is shared out between cache and shared memory.
DRIVERS_CHOICE = -1
# Height and width of the images, their type, the views' type.
WORKLOADS = [
    ((512, 512), "uint8", "float16"),
    ((1024, 1024), "uint8", "float32"),
    ((1024, 1024), "uint16", "float32"),
    ((2500, 2048), "uint8", "float16"),
]


def rows_of(name: str, workload: str, seconds: list[float], num_bytes: float, copy: float):
    """Yield time, bandwidth, and bandwidth over the copy's."""
    names = (name, "cuda", workload)
    yield gpu_row(names, "time per batch", "us", [1e6 * s for s in seconds])
    yield gpu_row(names, "bandwidth", "GB/s", [num_bytes / s / 1e9 for s in seconds])
    yield gpu_row(names, "bandwidth over copy", "", [num_bytes / s / copy for s in seconds])


def measure_copy() -> list[float]:
    """Return bytes per second of a device copy, read and written ones, in each run."""
    import torch

    source = torch.empty(COPY_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return [2 * COPY_BYTES / s for s in time_on_gpu(lambda: target.copy_(source))]


def prepare_plan(
    policy: ViewPolicy, shape: tuple[int, int]
) -> tuple[dict[str, Callable[[], Any]], dict[str, Any]]:
    """Return calls of the three small kernels, and the arrays that `render_views` needs."""
    import cupy

    from gca_dali_kernels.integrate_maps import integrate_maps
    from gca_dali_kernels.sample_cutouts import sample_cutouts
    from gca_dali_kernels.sample_windows import sample_windows

    table, rows = cupy.asarray(gaze_maps(BATCH)), cupy.arange(BATCH, dtype=np.int64)
    shapes = cupy.asarray(np.tile(np.array(shape, np.int32), (BATCH, 1)))
    laws = policy.laws
    integrals, marks = integrate_maps(table, rows)
    out = (integrals, marks)

    def draw_windows() -> tuple[Any, ...]:
        return sample_windows(integrals, marks, rows, shapes, KEY, laws)

    windows, turns, *_ = draw_windows()

    def draw_cutouts() -> Any:
        return sample_cutouts(integrals, windows, turns, rows, shapes, KEY, laws)

    calls = {
        "integrate_maps": lambda: integrate_maps(table, rows, out=out),
        "sample_windows": draw_windows,
        "sample_cutouts": draw_cutouts,
    }
    plan = (table, rows, marks, windows, turns, draw_cutouts())
    return calls, {"plan": plan, "index": rows, "shapes": shapes}


def measure_small(copy: float) -> list[Row]:
    """Measure what draws windows and cutouts: 256 images × 2 views on maps of 64 × 64."""
    result = []
    for name in ("gca", "gca_paper", "focus_contrast"):
        calls, _ = prepare_plan(ViewPolicy.preset(name), (1024, 1280))
        integrals = BATCH * 65 * 65 * 4
        drawn = BATCH * NUM_VIEWS * (16 + 8 + 4 + 1)
        num_bytes = {
            "integrate_maps": BATCH * 64 * 64 + integrals,
            "sample_windows": integrals + drawn,
            "sample_cutouts": integrals + drawn,
        }
        for kernel, call in calls.items():
            workload = f"{BATCH} images × {NUM_VIEWS} views, {name}"
            result += rows_of(kernel, workload, time_on_gpu(call), num_bytes[kernel], copy)
    return result


def measure_views(copy: float) -> Iterator[list[Row]]:
    """Measure `render_views` on several sizes and types, and with all shared memory it can have."""
    import cupy

    from gca_dali_kernels.launch import load_kernel
    from gca_dali_kernels.render_views import SOURCES, ImageTable, render_views

    for shape, source, target in WORKLOADS:
        for name in ("gca", "random", "focus_contrast"):
            policy = ViewPolicy.preset(name)
            _, given = prepare_plan(policy, shape)
            one = cupy.asarray(smooth_image(shape, source))
            images = cupy.tile(one, (BATCH, 1, 1))
            starts = images.data.ptr + np.arange(BATCH, dtype=np.uint64) * one.nbytes
            table = ImageTable(cupy.asarray(starts.astype(np.uint64)), given["shapes"], source)
            black_white = np.array([0, np.iinfo(source).max], np.float32)
            ranges = cupy.asarray(np.tile(black_white, (BATCH, 1)))
            views = cupy.empty((BATCH, NUM_VIEWS, policy.size, policy.size), target)
            (looks,) = policy.looks

            def call(table=table, ranges=ranges, given=given, looks=looks, views=views) -> None:
                render_views(table, ranges, given["plan"], given["index"], KEY, looks, views)

            windows = given["plan"][3].get().astype(np.float64)
            units = (windows[..., 2:] - windows[..., :2]).prod(axis=2) / (64 * 256) ** 2
            num_bytes = units.sum() * one.nbytes + views.nbytes
            workload = f"{BATCH} × {source} {shape[0]} × {shape[1]} to {NUM_VIEWS} × {target}"
            kernel = load_kernel("render_views", SOURCES[source], 0)
            for said, percent in (("", DRIVERS_CHOICE), (", carveout 100", 100)):
                kernel.preferred_shared_memory_carveout = percent
                seconds = time_on_gpu(call, repeats=5)
                what = f"{workload}, {name}{said}"
                yield list(rows_of("render_views", what, seconds, num_bytes, copy))
            kernel.preferred_shared_memory_carveout = DRIVERS_CHOICE
            del images
            cupy.get_default_memory_pool().free_all_blocks()


if __name__ == "__main__":
    rates = measure_copy()
    names = ("copy", "torch", f"{COPY_BYTES >> 20} MiB on the device")
    rows = [gpu_row(names, "bandwidth", "GB/s", [rate / 1e9 for rate in rates])]
    write_rows(Path(sys.argv[1]), rows)
    copy = float(np.median(rates))
    write_rows(Path(sys.argv[1]), measure_small(copy))
    for measured in measure_views(copy):
        write_rows(Path(sys.argv[1]), measured)
