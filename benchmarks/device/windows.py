"""Are windows and cutouts of the GPU equal to the CPU's, to the bit? Over 100,000 keys.

`python -m benchmarks.device.windows OUT.json` writes how many keys were compared and differ.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.device.timing import gpu_row
from benchmarks.ops.inputs import gaze_maps
from benchmarks.row import write_rows
from gca_dali_kernels.law import CutoutLaw, GroupLaw, ViewLaws, WindowLaw

NUM_IMAGES, NUM_VIEWS = 500, 4
SHAPES = np.array([(2500, 2048), (1024, 1024), (997, 1403), (512, 512), (31, 640)], np.int32)
RELATIVE = WindowLaw(law="relative", rho=0.9)
LAWS = {
    "free": WindowLaw(law="free", focus=True, max_iou=0.4),
    "relative": RELATIVE,
    "relative with focus": replace(RELATIVE, focus=True, weight=1),
    "hold": WindowLaw(tau=0.9, weight=1),
    "turned": WindowLaw(tau=0.9, weight=1, rotation=0.5, rotation_degrees=45.0),
    "rejection": WindowLaw(law="rejection", tau=0.8, weight=2, num_candidates=200),
    "zoom": WindowLaw(size="zoom", size_range=(1.0, 2.0), tau=0.95, weight=1),
    "contrastive_crop": WindowLaw(law="contrastive_crop"),
}
CUTOUT = CutoutLaw(probability=0.9)
# Each law for two views, and behind them two of another group.
GROUPS = [
    ViewLaws((GroupLaw(law, 2, CUTOUT), GroupLaw(RELATIVE, NUM_VIEWS - 2))) for law in LAWS.values()
]


def count_differences(num_keys: int) -> int:
    """Return how many keys have another window, turn, share, growth or cutout on the GPU.

    A key is one epoch, image and view; the laws share the keys out among them.
    """
    maps = gaze_maps(NUM_IMAGES)
    index = np.arange(NUM_IMAGES, dtype=np.int64) * 7919 % 2**31
    shapes = SHAPES[np.arange(NUM_IMAGES) % len(SHAPES)]
    num_differ, num_epochs = 0, -(-num_keys // (NUM_IMAGES * NUM_VIEWS))
    for epoch in range(num_epochs):
        laws = GROUPS[epoch % len(GROUPS)]
        there = draw_on_gpu(maps, index, shapes, (2**63 + 11, epoch), laws)
        here = draw_on_cpu(maps, index, shapes, (2**63 + 11, epoch), laws)
        differs = np.zeros((NUM_IMAGES, NUM_VIEWS), bool)
        for mine, other in zip(there, here, strict=True):
            unequal = (mine != other).reshape(NUM_IMAGES, len(mine[0]), -1).any(axis=2)
            # The point is shared: it counts for every view.
            differs |= unequal if len(mine[0]) == NUM_VIEWS else unequal.any(1, keepdims=True)
        num_differ += int(differs.sum())
    return num_differ


def draw_on_cpu(maps, index, shapes, key, laws) -> tuple[np.ndarray, ...]:
    """Return windows, turns, retained, grown, focus and cutouts by Numba."""
    from gca_dali_kernels.cpu.integrate_maps import integrate_maps
    from gca_dali_kernels.cpu.sample_cutouts import sample_cutouts
    from gca_dali_kernels.cpu.sample_windows import sample_windows

    integrals, marks = integrate_maps(maps, 0)
    drawn = sample_windows(integrals, marks, index, shapes, key, laws, 0)
    cutouts = sample_cutouts(integrals, *drawn[:2], index, shapes, key, laws, 0)
    return (*drawn, cutouts)


def draw_on_gpu(maps, index, shapes, key, laws) -> tuple[np.ndarray, ...]:
    """Return the same by the CUDA kernels."""
    import cupy

    from gca_dali_kernels.integrate_maps import integrate_maps
    from gca_dali_kernels.sample_cutouts import sample_cutouts
    from gca_dali_kernels.sample_windows import sample_windows

    rows = cupy.arange(len(maps), dtype=np.int64)
    integrals, marks = integrate_maps(cupy.asarray(maps), rows)
    index, shapes = cupy.asarray(index), cupy.asarray(shapes)
    drawn = sample_windows(integrals, marks, index, shapes, key, laws)
    cutouts = sample_cutouts(integrals, *drawn[:2], index, shapes, key, laws)
    return tuple(array.get() for array in (*drawn, cutouts))


if __name__ == "__main__":
    num_keys = 100_000
    num_differ = count_differences(num_keys)
    names = ("windows", "cuda", f"{num_keys:,} keys against the CPU")
    write_rows(Path(sys.argv[1]), [gpu_row(names, "keys that differ", "", [num_differ])])
    sys.exit(num_differ > 0)
