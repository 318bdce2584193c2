"""`render_views` on one core, and the same views by torchvision v2 on one thread.

`python -m benchmarks.ops.bench_render_views` writes `benchmarks/results/ops_cpu.json`. Views of
224 px with crop, flip, brightness, contrast and blur; times are per image, for all of its views.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.ops.inputs import gaze_maps, smooth_image
from benchmarks.ops.timing import Provider, Workload, run_command_line
from gca_dali_kernels.law import GroupLaw, ViewLaws, WindowLaw
from gca_dali_kernels.look import GroupLooks, ViewLook

NUM_IMAGES, SIZE = 4, (224, 224)
LOCAL_SIZE = (96, 96)
LAW = WindowLaw(law="free", flip=0.5)
LOCAL_LAW = WindowLaw(law="free", flip=0.5, size_range=(0.05, 0.4))
BLUR_SIGMA_PX, FACTORS = (0.1, 2.0), (0.6, 1.4)
LOOK = ViewLook(
    jitter=0.8,
    brightness=FACTORS,
    contrast=FACTORS,
    blur=0.5,
    blur_sigma_px=BLUR_SIGMA_PX,
    mean=0.5,
    deviation=0.25,
)


@dataclass(frozen=True)
class Inputs:
    """Images of one shape, and how many views of 224 px and of 96 px of each."""

    image: np.ndarray
    num_views: int
    num_local: int = 0

    @property
    def scale(self) -> float:
        """What brings the image's values to 0…1."""
        return 1.0 / np.iinfo(self.image.dtype).max

    @property
    def laws(self) -> ViewLaws:
        """The laws of the windows."""
        groups = (GroupLaw(LAW, self.num_views),)
        return ViewLaws(
            (*groups, GroupLaw(LOCAL_LAW, self.num_local)) if self.num_local else groups
        )

    @property
    def looks(self) -> tuple[GroupLooks, ...]:
        """The looks of the views."""
        groups = (GroupLooks((LOOK,) * self.num_views, SIZE),)
        if not self.num_local:
            return groups
        return (*groups, GroupLooks((LOOK,) * self.num_local, LOCAL_SIZE, 0.0, self.num_views))


def prepare_cpu(inputs: Inputs) -> Callable[[], object]:
    """Our Numba kernel; windows are drawn anew for each call, which costs some microseconds."""
    from gca_dali_kernels.cpu.integrate_maps import integrate_maps
    from gca_dali_kernels.cpu.render_views import render_views
    from gca_dali_kernels.cpu.sample_windows import sample_windows

    maps, index = gaze_maps(NUM_IMAGES), np.arange(NUM_IMAGES)
    integrals, marks = integrate_maps(maps)
    shapes = np.tile(np.array(inputs.image.shape, np.int32), (NUM_IMAGES, 1))
    ranges = np.tile(np.array([0.0, 1.0 / inputs.scale], np.float32), (NUM_IMAGES, 1))
    laws, looks = inputs.laws, inputs.looks
    cutouts = np.zeros((NUM_IMAGES, laws.num_views, 4), np.int32)
    images, epochs = [inputs.image] * NUM_IMAGES, iter(range(2**32))

    def call() -> None:
        key = (0, next(epochs))
        windows, turns, *_ = sample_windows(integrals, marks, index, shapes, key, laws)
        plan = (maps, marks, windows, turns, cutouts)
        render_views(images, ranges, plan, index, key, looks)

    return call


def prepare_torchvision(inputs: Inputs) -> Callable[[], object] | None:
    """Do as a user of torchvision does: crop the source's type, then work on float."""
    if inputs.num_local:
        return None
    import torch
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    # Torchvision resizes uint8 by its fast path; 16 bits have to be float.
    source = inputs.image if inputs.image.dtype == np.uint8 else inputs.image.astype(np.float32)
    image = torch.from_numpy(source)[None]
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(SIZE, scale=(0.2, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32),
            v2.Lambda(lambda view: view * inputs.scale),
            v2.RandomApply([v2.ColorJitter(FACTORS, FACTORS)], 0.8),
            v2.RandomApply([v2.GaussianBlur(13, BLUR_SIGMA_PX)], 0.5),
            v2.Normalize([0.5], [0.25]),
        ]
    )
    return lambda: [transform(image) for _ in range(NUM_IMAGES * inputs.num_views)]


IMAGES = {
    "uint8 1024 × 1024": smooth_image((1024, 1024), "uint8"),
    "uint8 2500 × 2048": smooth_image((2500, 2048), "uint8"),
    "uint16 2500 × 2048": smooth_image((2500, 2048), "uint16"),
}
WORKLOADS = [
    Workload(f"{name}, {num_views} views", NUM_IMAGES, "image", Inputs(image, num_views))
    for name, image in IMAGES.items()
    for num_views in (1, 2, 4, 8)
]
# What DINO's views cost beside four large ones.
WORKLOADS += [
    Workload(f"{name}, 2 views and 8 of 96 px", NUM_IMAGES, "image", Inputs(image, 2, 8))
    for name, image in IMAGES.items()
]
PROVIDERS = [Provider("cpu_1_core", prepare_cpu), Provider("torchvision", prepare_torchvision)]

if __name__ == "__main__":
    run_command_line("render_views", WORKLOADS, PROVIDERS)
