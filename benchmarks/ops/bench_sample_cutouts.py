"""`sample_cutouts` on one core.

`python -m benchmarks.ops.bench_sample_cutouts` writes `benchmarks/results/ops_cpu.json`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.ops.inputs import gaze_maps
from benchmarks.ops.timing import Provider, Workload, run_command_line
from gca_dali_kernels.law import CutoutLaw, ViewLaws, WindowLaw

NUM_IMAGES, NUM_VIEWS = 32, 2


def prepare_cpu(laws: ViewLaws) -> Callable[[], object]:
    """Our Numba kernel, on windows that are drawn once."""
    from gca_dali_kernels.cpu.integrate_maps import integrate_maps
    from gca_dali_kernels.cpu.sample_cutouts import sample_cutouts
    from gca_dali_kernels.cpu.sample_windows import sample_windows

    integrals, marks = integrate_maps(gaze_maps(NUM_IMAGES))
    index = np.arange(NUM_IMAGES)
    shapes = np.tile(np.array([1024, 1280], np.int32), (NUM_IMAGES, 1))
    windows, turns, *_ = sample_windows(integrals, marks, index, shapes, (0, 0), laws)
    epochs = iter(range(2**32))
    return lambda: sample_cutouts(integrals, windows, turns, index, shapes, (0, next(epochs)), laws)


CUTOUT = CutoutLaw(probability=1.0)
UPRIGHT = WindowLaw(tau=0.9, weight=1)
TURNED = replace(UPRIGHT, rotation=1.0, rotation_degrees=45.0)
WORKLOADS = [
    Workload(
        f"32 images × 2 cutouts, {name}", NUM_IMAGES, "image", ViewLaws.one(law, NUM_VIEWS, CUTOUT)
    )
    for name, law in {"upright": UPRIGHT, "turned 45 degrees": TURNED}.items()
]
PROVIDERS = [Provider("cpu_1_core", prepare_cpu)]

if __name__ == "__main__":
    run_command_line("sample_cutouts", WORKLOADS, PROVIDERS)
