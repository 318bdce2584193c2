"""`sample_windows` on one core, and a plain NumPy redraw loop of the same law.

`python -m benchmarks.ops.bench_sample_windows` writes `benchmarks/results/ops_cpu.json`. Maps of
64 × 64 cells that were integrated before; times are per image, two windows each. That both have
one law is tested in `tests/distribution/test_rejection_law.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.ops.inputs import gaze_maps
from benchmarks.ops.plain_windows import PlainRejection, integrate_map
from benchmarks.ops.timing import Provider, Workload, run_command_line
from gca_dali_kernels.law import ViewLaws, WindowLaw

BATCHES, NUM_VIEWS = (32, 256), 2
SHAPE = (1024, 1280)


@dataclass(frozen=True)
class Inputs:
    """A law, and the same law in plain NumPy where there is one."""

    law: WindowLaw
    plain: PlainRejection | None
    num_images: int


def prepare_cpu(inputs: Inputs) -> Callable[[], object]:
    """Our Numba kernels."""
    from gca_dali_kernels.cpu.integrate_maps import integrate_maps
    from gca_dali_kernels.cpu.sample_windows import sample_windows

    integrals, marks = integrate_maps(gaze_maps(inputs.num_images))
    index = np.arange(inputs.num_images)
    shapes = np.tile(np.array(SHAPE, np.int32), (inputs.num_images, 1))
    laws, epochs = ViewLaws.one(inputs.law, NUM_VIEWS), iter(range(2**32))

    def call() -> None:
        # Another epoch each time: no run repeats the luck of the one before.
        key = (0, next(epochs))
        sample_windows(integrals, marks, index, shapes, key, laws)

    return call


def prepare_plain(inputs: Inputs) -> Callable[[], object] | None:
    """Loop over images, windows and redraws."""
    plain = inputs.plain
    if plain is None:
        return None
    integrals = [integrate_map(saliency) for saliency in gaze_maps(inputs.num_images)]
    rng = np.random.default_rng(0)
    return lambda: [plain.draw(integral, SHAPE, rng, NUM_VIEWS) for integral in integrals]


def rejection(tau: float, weight: int) -> tuple[WindowLaw, PlainRejection]:
    """Return the rejection law over area 0.2 to 1 in both forms."""
    law = WindowLaw(law="rejection", tau=tau, weight=weight, flip=0.0, num_candidates=10_000)
    return law, PlainRejection(tau, weight)


RELATIVE = WindowLaw(law="relative", rho=0.9)
LAWS: dict[str, tuple[WindowLaw, PlainRejection | None]] = {
    "rejection tau 0.8 weight 0": rejection(0.8, 0),
    "rejection tau 0.9 weight 1": rejection(0.9, 1),
    "rejection tau 0 weight 2": rejection(0.0, 2),
    "relative rho 0.9": (RELATIVE, None),
    "relative rho 0.9 with focus": (replace(RELATIVE, focus=True), None),
    "relative rho 0.9, max_iou 0.5": (replace(RELATIVE, max_iou=0.5), None),
    "hold tau 0.9 weight 1": (WindowLaw(tau=0.9, weight=1), None),
    "hold turned 45 degrees": (
        WindowLaw(tau=0.9, weight=1, rotation=1.0, rotation_degrees=45.0),
        None,
    ),
    "free": (WindowLaw(law="free"), None),
    "contrastive_crop": (WindowLaw(law="contrastive_crop"), None),
}
WORKLOADS = [
    Workload(f"{count} images × {NUM_VIEWS} windows, {name}", count, "image", Inputs(*laws, count))
    for count in BATCHES
    for name, laws in LAWS.items()
]
PROVIDERS = [Provider("cpu_1_core", prepare_cpu), Provider("plain_numpy", prepare_plain)]

if __name__ == "__main__":
    run_command_line("sample_windows", WORKLOADS, PROVIDERS)
