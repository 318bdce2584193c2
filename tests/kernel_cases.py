"""Cases that every implementation of a kernel is compared on.

Leaves: named cases, one dataclass of `kernel_inputs` per kernel, over odd shapes, degenerate maps
and extreme images; each knows what the reference answers. Used by `kernel_parity` (Numba) and by
the CUDA tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, wraps
from typing import TypeVar

import numpy as np

from gca_dali_kernels.law import CutoutLaw, GroupLaw, ViewLaws, WindowLaw
from gca_dali_kernels.look import ViewLook
from kernel_inputs import (
    CutoutCase,
    MapCase,
    ViewCase,
    WindowCase,
    make_image,
    make_map,
    make_maps,
)

Case = TypeVar("Case")


def as_cached_tuple(cases: Callable[[], Iterator[Case]]) -> Callable[[], tuple[Case, ...]]:
    """Run a generator of cases once: what the reference answers is kept with each case."""

    @lru_cache(maxsize=1)
    @wraps(cases)
    def cached() -> tuple[Case, ...]:
        return tuple(cases())

    return cached


HOLD = WindowLaw(tau=0.9, weight=1)
RELATIVE = WindowLaw(law="relative", rho=0.9)
LAWS = {
    "hold": HOLD,
    "hold_weight_0": WindowLaw(tau=0.8),
    "hold_weight_2_free": WindowLaw(weight=2),
    "hold_small": replace(HOLD, size_range=(0.02, 0.1), num_candidates=4),
    # Many windows are decided by the last candidate, or by none.
    "hold_few": WindowLaw(weight=2, num_candidates=2),
    "hold_all": WindowLaw(tau=1.0, weight=1, num_candidates=8),
    "free": WindowLaw(law="free", size_range=(0.08, 1.0)),
    "free_focus": WindowLaw(law="free", size_range=(0.01, 1.0), focus=True),
    "free_apart": WindowLaw(law="free", size_range=(0.2, 0.9), max_iou=0.3),
    "relative": RELATIVE,
    "relative_all": replace(RELATIVE, rho=1.0, num_candidates=300),
    "relative_weight_1": replace(RELATIVE, rho=0.5, weight=1, num_candidates=9),
    "relative_weight_2": replace(RELATIVE, rho=0.0, weight=2, size_range=(0.02, 0.3)),
    "relative_focus": replace(RELATIVE, focus=True),
    "relative_focus_apart": replace(RELATIVE, focus=True, max_iou=0.5, size_range=(0.1, 0.5)),
    "relative_turned": replace(RELATIVE, focus=True, rotation=0.7, rotation_degrees=45.0),
    "zoom": WindowLaw(size="zoom", size_range=(1.0, 2.0), tau=0.9, weight=1),
    "fixed_zoom": WindowLaw(size="zoom", size_range=(1.2, 1.2)),
    "hold_apart": WindowLaw(tau=0.4, max_iou=0.4, size_range=(0.1, 0.6)),
    "rejection": WindowLaw(law="rejection", tau=0.8, size_range=(0.08, 1.0)),
    "rejection_weight_1": WindowLaw(
        law="rejection", tau=0.5, weight=1, size="zoom", size_range=(1.0, 2.0)
    ),
    "rejection_weight_2": WindowLaw(law="rejection", weight=2, num_candidates=200),
    "contrastive_crop": WindowLaw(law="contrastive_crop"),
    "turned": replace(HOLD, rotation=1.0, rotation_degrees=45.0, tau=0.8),
    "turned_sometimes": WindowLaw(rotation=0.5, rotation_degrees=180.0, tau=0.5, weight=2),
}
# Two global views and eight local ones, and three groups that differ in all.
GROUPS = {
    "two_and_eight": ViewLaws(
        (
            GroupLaw(WindowLaw(law="free", size_range=(0.32, 1.0)), 2),
            GroupLaw(replace(LAWS["relative_focus"], size_range=(0.05, 0.32)), 8),
        )
    ),
    "three_kinds": ViewLaws(
        (
            GroupLaw(LAWS["turned_sometimes"], 1, CutoutLaw(probability=1.0)),
            GroupLaw(LAWS["relative_focus_apart"], 3, CutoutLaw(probability=0.5, max_loss=0.3)),
            GroupLaw(LAWS["contrastive_crop"], 2),
        )
    ),
}

# Heights and widths in pixels: single pixels, strips, primes, the usual.
SHAPES = ((1, 1), (1, 9), (20_000, 10), (10, 20_000), (480, 640), (641, 479), (7, 5), (224, 224))


@as_cached_tuple
def map_cases() -> Iterator[MapCase]:
    """Yield the cases of `integrate_maps`."""
    for height, width in ((1, 1), (1, 7), (7, 1), (3, 3), (13, 11), (64, 64), (37, 61)):
        yield MapCase(f"kinds_{height}x{width}", make_maps((height, width)))
    # 256 × 256 cells of 255 are the greatest sum that the contract allows.
    yield MapCase("one_greatest", make_map("full", (256, 256))[None])
    random = np.stack([make_map("noise", (64, 64), seed) for seed in range(17)])
    yield MapCase("many_64x64", random)


@as_cached_tuple
def window_cases() -> Iterator[WindowCase]:
    """Yield the cases of `sample_windows`: every law on every kind of map and image shape."""
    key = (0x0123456789ABCDEF, 3)
    laws = {name: ViewLaws.one(law) for name, law in LAWS.items()} | GROUPS
    for name, law in laws.items():
        for grid in ((7, 6), (4, 5)):
            maps = make_maps(grid)
            index = np.arange(len(maps), dtype=np.int64) * 1000 + 17
            shapes = np.array([SHAPES[i % len(SHAPES)] for i in range(len(maps))], np.int32)
            yield WindowCase(f"{name}_{grid[0]}x{grid[1]}", maps, index, shapes, key, law)
    law = ViewLaws.one(HOLD)
    for grid in ((1, 1), (1, 7), (7, 1), (2, 3)):
        maps = make_maps(grid)
        shapes = np.array([SHAPES[(i + 4) % len(SHAPES)] for i in range(len(maps))], np.int32)
        index = np.arange(len(maps), dtype=np.int64)
        case = WindowCase(f"tiny_map_{grid[0]}x{grid[1]}", maps, index, shapes, key, law)
        yield case
        for other in ("turned", "relative_focus", "free_apart"):
            laws_of = ViewLaws.one(LAWS[other], 3)
            yield replace(case, name=f"{case.name}_{other}", laws=laws_of)
    one = np.zeros(1, np.int64)
    square = np.array([[1024, 1024]], np.int32)
    half = ViewLaws.one(replace(HOLD, tau=0.5), 1)
    yield WindowCase("single", make_map("blobs", (64, 64))[None], one, square, (0, 0), half)
    grows = ViewLaws.one(replace(HOLD, size_range=(0.3, 0.6)), 1)
    two = make_map("opposite_corners", (11, 13))[None]
    yield WindowCase("grows_11x13", two, one, square, (1, 1), grows)
    greatest = (2**64 - 1, 2**32 - 1)
    last = np.array([2**32 - 1], np.int64)
    full = make_map("full", (256, 256))[None]
    # A low tau: on 264,000 places the reference would search for minutes.
    for name in ("hold", "turned", "rejection_weight_2", "relative_focus", "relative_weight_2"):
        easy = ViewLaws.one(replace(LAWS[name], tau=0.1), 3)
        yield WindowCase(f"greatest_{name}", full, last, square, greatest, easy)
    blobs = np.stack([make_map("blobs", (64, 64), seed) for seed in range(5)])
    index = np.array([9, 2, 2**31 + 5, 0, 7], np.int64)
    shapes = np.array([(640, 640), (2000, 1500), (997, 1009), (31, 64), (224, 224)], np.int32)
    for name in ("hold", "turned", "rejection", "contrastive_crop", "relative", "free_focus"):
        easy = ViewLaws.one(replace(LAWS[name], tau=min(LAWS[name].tau, 0.5)), 4)
        yield WindowCase(f"usual_{name}", blobs, index, shapes, (7, 11), easy)
    yield WindowCase("usual_groups", blobs, index, shapes, (7, 11), GROUPS["two_and_eight"])


CUTOUT_LAWS = {
    "never": CutoutLaw(probability=0.0),
    "usual": CutoutLaw(probability=1.0),
    "half": CutoutLaw(probability=0.5),
    "strict": CutoutLaw(probability=1.0, max_loss=0.0, num_redraws=5),
    "once": CutoutLaw(probability=1.0, max_loss=0.3, num_redraws=1),
    "free": CutoutLaw(probability=1.0, max_loss=1.0, side_range=(0.0, 1.0)),
}


@as_cached_tuple
def cutout_cases() -> Iterator[CutoutCase]:
    """Yield the cases of `sample_cutouts`: every law of it on upright and turned windows."""
    chosen = {
        "hold_7x6",
        "turned_7x6",
        "turned_sometimes_4x5",
        "free_7x6",
        "tiny_map_1x1_turned",
        "usual_turned",
        "greatest_turned",
        "single",
    }
    for window in window_cases():
        if window.name in chosen:
            for name, law in CUTOUT_LAWS.items():
                (group,) = window.laws.groups
                laws = ViewLaws((replace(group, cutout=law),))
                yield CutoutCase(f"{name}_{window.name}", replace(window, laws=laws))
        elif window.name == "three_kinds_7x6":
            yield CutoutCase(window.name, window)


PLAIN = ViewLook()
LOOKS = {
    "jitter": ViewLook(jitter=1.0, brightness=(0.6, 1.4), contrast=(0.6, 1.4)),
    "gamma": ViewLook(gamma_probability=1.0, gamma=(0.6, 1.6)),
    "blur": ViewLook(blur=1.0, blur_sigma_px=(0.1, 2.0)),
    "solarize": ViewLook(solarize=1.0),
    "noise": ViewLook(noise=1.0, noise_sigma=(0.01, 0.1)),
    "soft_mask": ViewLook(mask="soft", mask_probability=1.0),
    "floored_mask": ViewLook(mask="soft", mask_probability=1.0, mask_floor=0.4),
    "hard_mask": ViewLook(mask="hard", mask_probability=1.0),
    "normalise": ViewLook(mean=0.45, deviation=0.22),
}
EVERY_OTHER = ViewLook(
    jitter=0.5,
    brightness=(0.8, 1.2),
    contrast=(0.2, 1.8),
    blur=0.5,
    noise=0.5,
    noise_sigma=(0.02, 0.05),
    mask="soft",
    mask_probability=0.5,
    mean=0.5,
    deviation=0.25,
)
UPRIGHT_LAW = WindowLaw(size_range=(0.1, 0.5), weight=1)
TURNED_LAW = WindowLaw(size_range=(0.2, 0.8), weight=1, rotation=1.0, rotation_degrees=45.0)
WHOLE_LAW = WindowLaw(size="zoom", size_range=(1.0, 1.0))


def view_maps(count: int, grid: tuple[int, int] = (13, 11)) -> np.ndarray:
    """Return maps for `count` images: blobs of different seeds."""
    return np.stack([make_map("blobs", grid, seed) for seed in range(count)])


@as_cached_tuple
def view_cases() -> Iterator[ViewCase]:
    """Yield the cases of `render_views` that read the image itself: no halved level."""
    small = [make_image(shape, "uint8") for shape in ((37, 41), (29, 31), (40, 23))]
    for size in ((1, 1), (7, 13), (32, 32), (33, 17)):
        name = f"size_{size[0]}x{size[1]}"
        if size != (1, 1):
            yield ViewCase(name, small, view_maps(3), UPRIGHT_LAW, (PLAIN, PLAIN), size)
        tiny = [make_image(shape, "uint8") for shape in ((1, 1), (1, 9), (9, 1), (2, 3))]
        yield ViewCase(f"tiny_{name}", tiny, view_maps(4), UPRIGHT_LAW, (PLAIN,), size)
        yield ViewCase(f"tiny_turned_{name}", tiny, view_maps(4), TURNED_LAW, (PLAIN,), size)
    for dtype in ("uint8", "uint16", "float32"):
        images = [make_image((47, 43), dtype, seed) for seed in range(2)]
        for law_name, law in (("upright", UPRIGHT_LAW), ("turned", TURNED_LAW)):
            name = f"{dtype}_{law_name}"
            yield ViewCase(name, images, view_maps(2), law, (PLAIN, PLAIN), (24, 20))
    for name, look in LOOKS.items():
        case = ViewCase(
            f"look_{name}",
            small,
            view_maps(3),
            UPRIGHT_LAW,
            (look, look),
            (24, 28),
            tolerance="gamma" if name == "gamma" else "pixels",
        )
        yield case
        if name.endswith("mask"):
            yield replace(case, name=f"{case.name}_turned", law=TURNED_LAW)
    cutout_law = CutoutLaw(probability=1.0, max_loss=0.5)
    for law_name, law in (("upright", UPRIGHT_LAW), ("turned", TURNED_LAW)):
        yield ViewCase(
            f"everything_{law_name}",
            small,
            view_maps(3),
            law,
            (EVERY_OTHER,) * 4,
            (24, 28),
            cutout_law,
            num_before=3 if law is TURNED_LAW else 0,
        )
    wide_blur = ViewLook(blur=1.0, blur_sigma_px=(3.0, 6.0))
    tiny = [make_image(shape, "uint8") for shape in ((8, 9), (11, 12), (5, 40))]
    yield ViewCase("blur_wider_than_view", tiny, view_maps(3), WHOLE_LAW, (wide_blur,), (5, 9))


@as_cached_tuple
def pyramid_cases() -> Iterator[ViewCase]:
    """Yield the cases whose views may be read from a halved image, within `pyramid`."""
    shapes = ((20_000, 10), (10, 20_000), (301, 407), (512, 512), (1009, 613))
    for dtype in ("uint8", "uint16"):
        images = [make_image(shape, dtype) for shape in shapes]
        yield ViewCase(
            f"pyramid_{dtype}",
            images,
            view_maps(len(shapes)),
            WindowLaw(size_range=(0.5, 1.0), weight=1),
            (PLAIN, PLAIN),
            (64, 48),
            tolerance="pyramid",
        )
    images = [make_image(shape, "uint8") for shape in ((160, 200), (151, 127))]
    for size in ((1, 1), (2, 3)):
        yield ViewCase(
            f"pyramid_{size[0]}x{size[1]}",
            images,
            view_maps(2),
            UPRIGHT_LAW,
            (PLAIN, PLAIN),
            size,
            tolerance="pyramid_border",
        )
    yield ViewCase(
        "pyramid_turned",
        images,
        view_maps(2),
        WindowLaw(size_range=(0.6, 1.0), weight=1, rotation=1.0, rotation_degrees=30.0),
        (PLAIN,),
        (24, 28),
        tolerance="pyramid",
    )
