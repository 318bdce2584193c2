"""What the loader is measured against: DALI's decoder alone, DALI's own views, torchvision.

They read what the loader reads: files, or the samples of a store.

Each is written as its own users would write it and makes comparable views: random resized crops
(areas, sizes and numbers are the workload's) with flip, brightness and contrast (factors 0.6–1.4,
probability 0.8) and blur (σ 0.1–2, probability 0.5), normalised float32, one channel. Used by
`bench` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.data.fetch import Fetcher, make_dali_fetcher
from gca_dali.steps.decode import decode_grey
from gca_dali.steps.device import CPU
from gca_dali.steps.read import read_files

if TYPE_CHECKING:
    from gca_dali.report.workload import Workload

MEAN, DEVIATION = 0.5, 0.25


def find_crops(work: Workload) -> list[tuple[int, tuple[float, float]]]:
    """Return side in pixels and range of areas of each view."""
    found = []
    for group in work.groups:
        low, high = group.crop.size_range
        area = (low, high) if group.crop.size_by == "area" else (high**-2, low**-2)
        found += [(group.size, area)] * group.num_views
    return found


def decode_only(work: Workload) -> Iterator[int]:
    """DALI reads and decodes; nothing else."""
    from nvidia.dali import pipeline_def

    fetcher = make_dali_fetcher(work.manifest)
    batches = read_forever(work, fetcher)

    @pipeline_def(**work.dali_options)
    def define() -> Any:
        return decode(work, fetcher.gives, batches)

    return run_forever(define())


def dali(work: Workload) -> Iterator[int]:
    """DALI decodes once and makes the views with its own random operators."""
    import nvidia.dali.fn as fn
    from nvidia.dali import pipeline_def, types

    fetcher = make_dali_fetcher(work.manifest)
    # Outside of the pipeline, whose conditionals would rewrite the code of what it calls.
    batches = read_forever(work, fetcher)

    @pipeline_def(enable_conditionals=True, **work.dali_options)
    def define() -> tuple[Any, ...]:
        images = decode(work, fetcher.gives, batches)
        views = []
        for size, area in find_crops(work):
            view = fn.random_resized_crop(images, size=size, random_area=list(area), antialias=True)
            view = fn.cast(view, dtype=types.FLOAT)
            if fn.random.coin_flip(probability=0.8, dtype=types.BOOL):
                view = fn.brightness_contrast(
                    view,
                    brightness=fn.random.uniform(range=[0.6, 1.4]),
                    contrast=fn.random.uniform(range=[0.6, 1.4]),
                    contrast_center=work.white / 2,
                )
            if fn.random.coin_flip(probability=0.5, dtype=types.BOOL):
                view = fn.gaussian_blur(view, sigma=fn.random.uniform(range=[0.1, 2.0]))
            views.append(
                fn.crop_mirror_normalize(
                    view,
                    mirror=fn.random.coin_flip(),
                    mean=[MEAN * work.white],
                    std=[DEVIATION * work.white],
                    output_layout="CHW",
                )
            )
        return tuple(views)

    return run_forever(define())


def torchvision(work: Workload) -> Iterator[int]:
    """Decode and transform with torchvision (v2) in the workers of a DataLoader."""
    import torch
    from torchvision.io import ImageReadMode, decode_image
    from torchvision.transforms import v2

    fetcher = make_dali_fetcher(work.manifest)
    transforms = [
        v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=area, antialias=True),
                v2.RandomHorizontalFlip(),
                v2.RandomApply([v2.ColorJitter(0.4, 0.4)], p=0.8),
                v2.RandomApply([v2.GaussianBlur(13, sigma=(0.1, 2.0))], p=0.5),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([MEAN], [DEVIATION]),
            ]
        )
        for size, area in find_crops(work)
    ]

    def read(index: int) -> torch.Tensor:
        if work.manifest.places is None:
            image = decode_image(work.files[index], mode=ImageReadMode.GRAY)
        else:
            image = torch.from_numpy(fetcher.fetch(index).copy())
            if fetcher.gives == "encoded":
                image = decode_image(image, mode=ImageReadMode.GRAY)
            else:
                image = image.permute(2, 0, 1)
        # Torchvision neither flips nor resizes uint16.
        return image if image.dtype == torch.uint8 else image.to(torch.float32) / work.white

    class Views(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return work.batch_size * 100_000

        def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
            image = read(index % len(work.files))
            return tuple(transform(image) for transform in transforms)

    loader = torch.utils.data.DataLoader(
        Views(), batch_size=work.batch_size, num_workers=work.num_threads, prefetch_factor=2
    )
    return (len(batch[0]) for batch in loader)


def gca(work: Workload) -> Iterator[int]:
    """Load with this project: windows by the policy, maps from the table."""
    from gca_dali.loader import GCALoader

    loader = GCALoader(
        work.repeated(),
        work.made.replace(mean=MEAN, deviation=DEVIATION),
        saliency=work.saliency,
        batch_size=work.batch_size,
        num_threads=work.num_threads,
        device=work.device,
        shuffle=False,
    )
    while True:
        for batch in loader:
            yield len(batch)


def gca_fn(work: Workload) -> Iterator[int]:
    """Make the views of `gca` with operators, in a pipeline as a user of DALI writes it."""
    import nvidia.dali.fn as fn
    from nvidia.dali import pipeline_def

    import gca_dali.fn as gfn
    from gca_dali.steps.saliency import load_saliency

    fetcher = make_dali_fetcher(work.manifest)
    batches = read_forever(work, fetcher)
    rows = cycle(range(len(work.manifest)))
    table = load_saliency(work.saliency, work.manifest)
    policy = work.made.replace(mean=MEAN, deviation=DEVIATION)

    def number_rows() -> list[Any]:
        return [np.array(next(rows)) for _ in range(work.batch_size)]

    @pipeline_def(**work.dali_options)
    def define() -> tuple[Any, ...]:
        images = decode(work, fetcher.gives, batches)
        keys = gfn.keys(fn.external_source(number_rows, batch=True), epoch=0)
        saliency = gfn.saliency(keys, table, device="cpu" if work.device == CPU else "gpu")
        views, windows = gfn.gaze_views(images, saliency, keys, policy=policy)
        return (*views, windows.start, windows.size)

    return run_forever(define())


RIVALS = {"gca": gca, "gca_fn": gca_fn, "dali": dali, "torchvision": torchvision}


def read_forever(work: Workload, fetcher: Fetcher) -> Iterator[list[Any]]:
    """Yield batches of samples in the order of the manifest, again and again."""
    rows = cycle(range(len(work.manifest)))
    while True:
        yield [fetcher.fetch(next(rows)) for _ in range(work.batch_size)]


def decode(work: Workload, gives: str, batches: Iterator[list[Any]]) -> Any:
    """Return decoded images (DALI, uint8 | uint16, [H, W, 1]) on the workload's device.

    `gives` is what the batches hold, see `Fetcher`.
    """
    import nvidia.dali.fn as fn

    layout = "HWC" if gives == "images" else ""
    samples = fn.external_source(batches, batch=True, layout=layout)
    if gives == "paths":
        samples = read_files(samples)
    mixed = work.device != CPU and not work.deep and gives != "images"
    if gives != "images":
        samples = decode_grey(samples, work.deep, "mixed" if mixed else "cpu")
    return samples if mixed or work.device == CPU else samples.gpu()


def run_forever(pipeline: Any) -> Iterator[int]:
    """Yield the size of each batch of a DALI pipeline."""
    pipeline.build()
    while True:
        yield len(pipeline.run()[0])
