"""`integrate_maps` on one core, and NumPy's cumulative sums.

`python -m benchmarks.ops.bench_integrate_maps` writes `benchmarks/results/ops_cpu.json`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.ops.inputs import gaze_maps
from benchmarks.ops.timing import Provider, Workload, run_command_line


def prepare_cpu(maps: np.ndarray) -> Callable[[], object]:
    """Our Numba kernel, with the box and the level of the mask."""
    from gca_dali_kernels.cpu.integrate_maps import integrate_maps

    return lambda: integrate_maps(maps)


def prepare_numpy(maps: np.ndarray) -> Callable[[], object]:
    """Integral images and a box above a tenth of the range, the whole batch at once."""
    return lambda: integrate_with_numpy(maps)


def integrate_with_numpy(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return integrals, uint32, [N, h + 1, w + 1], and y0, x0, y1, x1 of the box, [N, 4]."""
    integrals = np.zeros((len(maps), maps.shape[1] + 1, maps.shape[2] + 1), np.uint32)
    sums = maps.cumsum(axis=1, dtype=np.uint32)
    np.cumsum(sums, axis=2, out=integrals[:, 1:, 1:])
    low = maps.min(axis=(1, 2), keepdims=True).astype(np.int64)
    high = maps.max(axis=(1, 2), keepdims=True).astype(np.int64)
    inside = 10 * (maps - low) > high - low
    rows, columns = inside.any(axis=2), inside.any(axis=1)
    boxes = [rows.argmax(axis=1), columns.argmax(axis=1)]
    boxes.append(maps.shape[1] - rows[:, ::-1].argmax(axis=1))
    boxes.append(maps.shape[2] - columns[:, ::-1].argmax(axis=1))
    return integrals, np.stack(boxes, axis=1)


WORKLOADS = [
    Workload(f"{count} maps of 64 × 64", count, "map", gaze_maps(count)) for count in (32, 256)
]
PROVIDERS = [Provider("cpu_1_core", prepare_cpu), Provider("numpy", prepare_numpy)]

if __name__ == "__main__":
    run_command_line("integrate_maps", WORKLOADS, PROVIDERS)
