"""What the kernels' test cases are made of: maps, images, a dataclass per kernel, tolerances.

Windows, turns, retained shares, growth and cutouts must be equal to the bit; pixels within
`TOLERANCE`. The cases themselves are in `kernel_cases`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gca_dali_kernels.law import CutoutLaw, GroupLaw, ViewLaws, WindowLaw
from gca_dali_kernels.look import GroupLooks, ViewLook
from gca_dali_kernels.reference.integrate_maps import integrate_maps
from gca_dali_kernels.reference.sample_cutouts import sample_cutouts
from gca_dali_kernels.reference.sample_windows import sample_windows

NO_CUTOUT = CutoutLaw()

# Greatest absolute difference of a pixel, intensities being 0 to 1 before normalisation.
TOLERANCE = {
    # float32 sums of weighted pixels, weights from float64 coordinates: 2⁻²¹·⁷ is seen.
    "pixels": 2.0**-19,
    # x ** γ is steep at 0: what is clipped to 0 in one twin and 10⁻⁷ in the other is 6·10⁻⁵ apart
    # at γ = 0.6.
    "gamma": 2.0**-13,
    # A halved image replaces the tent by a tent over boxes of the same variance: another shape.
    # The worst pixels are on edges from black to white, of noise besides: 0.030 is seen.
    "pyramid": 0.045,
    # A view of a few pixels is all border, and a halved image ends at its own pixels: 0.076.
    "pyramid_border": 0.12,
}
# The pyramid on images like radiographs, a whole view: the contract.
LEAST_PSNR_DB = 45.0

# A pixel this near to a threshold (solarize, the level of the hard mask, the edge of a turned
# image) may fall on either side in another precision; elsewhere twins must agree.
BAND = 2.0**-14

# Random123's kat_vectors for philox4x32 with 10 rounds: counter, key, words.
PHILOX_KNOWN_ANSWERS = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)

MAP_KINDS = (
    "blobs",
    "noise",
    "zero",
    "one_hot",
    "faint",
    "flat",
    "full",
    "opposite_corners",
    "stripe",
)


def make_map(kind: str, shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Return a quantised map of one kind, uint8, [h, w]."""
    height, width = shape
    rng = np.random.default_rng([seed, height, width, MAP_KINDS.index(kind)])
    saliency = np.zeros(shape, np.uint8)
    if kind == "blobs":
        y, x = np.mgrid[:height, :width] + 0.5
        total = np.zeros(shape)
        for _ in range(3):
            cy, cx = rng.uniform(0, height), rng.uniform(0, width)
            sigma = rng.uniform(0.05, 0.2) * max(shape)
            total += rng.uniform(0.3, 1) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2))
        saliency[:] = np.rint(total / total.max() * 255)
    elif kind == "noise":
        saliency[:] = rng.integers(0, 256, shape)
    elif kind in ("one_hot", "faint"):
        saliency[rng.integers(height), rng.integers(width)] = 255 if kind == "one_hot" else 1
    elif kind in ("flat", "full"):
        saliency[:] = 37 if kind == "flat" else 255
    elif kind == "opposite_corners":
        saliency[0, 0] = saliency[-1, -1] = 255
    elif kind == "stripe":
        saliency[:, width // 2] = 200
    return saliency


def make_maps(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Return one map of each kind, uint8, [9, h, w]."""
    return np.stack([make_map(kind, shape, seed) for kind in MAP_KINDS])


def make_image(shape: tuple[int, int], dtype: str, seed: int = 0) -> np.ndarray:
    """Return an image with smooth parts, edges and noise over the full range of `dtype`."""
    height, width = shape
    rng = np.random.default_rng([seed, height, width])
    y, x = (np.mgrid[:height, :width] + 0.5) / np.array([height, width]).reshape(2, 1, 1)
    values = 0.5 + 0.3 * np.sin(7 * y + 4 * x) * np.cos(5 * x - 2 * y)
    values += np.where((y - 0.4) ** 2 + (x - 0.6) ** 2 < 0.04, 0.25, 0.0)
    values = np.clip(values + rng.normal(0, 0.03, shape), 0, 1)
    if dtype == "float32":
        return values.astype(np.float32)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


@dataclass(frozen=True)
class MapCase:
    """Input of `integrate_maps`: maps, uint8, [N, h, w]."""

    name: str
    maps: np.ndarray


@dataclass(frozen=True)
class WindowCase:
    """Inputs of `sample_windows`; `integrals` and `marks` come from the reference."""

    name: str
    maps: np.ndarray  # uint8, [B, h, w]
    index: np.ndarray  # int64, [B]
    shapes: np.ndarray  # int32, [B, 2]
    key: tuple[int, int]
    laws: ViewLaws

    @cached_property
    def integrals(self) -> np.ndarray:
        """Integral images, uint32, [B, h + 1, w + 1]."""
        return integrate_maps(self.maps)[0]

    @cached_property
    def marks(self) -> np.ndarray:
        """Marks, int32, [B, 5]."""
        return integrate_maps(self.maps)[1]

    @property
    def inputs(self) -> tuple:
        """Arguments of `sample_windows` in its order."""
        return (self.integrals, self.marks, self.index, self.shapes, self.key, self.laws)

    @cached_property
    def expected(self) -> tuple[np.ndarray, ...]:
        """Windows, turns, retained, grown and focus of the reference."""
        return sample_windows(*self.inputs)


@dataclass(frozen=True)
class CutoutCase:
    """Inputs of `sample_cutouts`: a window case, whose laws hold those of the cutouts."""

    name: str
    window: WindowCase

    @property
    def inputs(self) -> tuple:
        """Arguments of `sample_cutouts` in its order; windows and turns are the reference's."""
        case = self.window
        windows, turns = case.expected[:2]
        return (case.integrals, windows, turns, case.index, case.shapes, case.key, case.laws)

    @cached_property
    def expected(self) -> np.ndarray:
        """Cutouts of the reference, int32, [B, V, 4]."""
        return sample_cutouts(*self.inputs)


@dataclass(frozen=True)
class ViewCase:
    """Inputs of `render_views`; windows, turns and cutouts are the reference's.

    `tolerance` names the number of `TOLERANCE` that pixels must keep; compare with
    `view_comparison`, which knows the pixels near a threshold.
    """

    name: str
    images: list[np.ndarray]  # uint8 | uint16 | float32, B × [H, W]
    maps: np.ndarray  # uint8, [B, h, w]
    law: WindowLaw
    looks: tuple[ViewLook, ...]
    size: tuple[int, int]
    cutout_law: CutoutLaw = NO_CUTOUT
    key: tuple[int, int] = (1234, 5)
    tolerance: str = "pixels"
    num_before: int = 0  # views of a group before

    @cached_property
    def index(self) -> np.ndarray:
        """Sample indices, int64, [B]."""
        return np.arange(len(self.images), dtype=np.int64) * 7 + 3

    @cached_property
    def ranges(self) -> np.ndarray:
        """Source values that become 0 and 1, float32, [B, 2]; inside the image's own range."""
        rows = []
        for image in self.images:
            top = 1.0 if image.dtype == np.float32 else float(np.iinfo(image.dtype).max)
            rows.append((0.05 * top, 0.95 * top))
        return np.array(rows, np.float32)

    @cached_property
    def window(self) -> WindowCase:
        """The windows of these views."""
        shapes = np.array([image.shape for image in self.images], np.int32)
        groups = (GroupLaw(self.law, len(self.looks), self.cutout_law),)
        if self.num_before:
            groups = (GroupLaw(WindowLaw(), self.num_before), *groups)
        return WindowCase(self.name, self.maps, self.index, shapes, self.key, ViewLaws(groups))

    @cached_property
    def plan(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Windows, turns and cutouts."""
        cutouts = CutoutCase(self.name, self.window).expected
        windows, turns, *_ = self.window.expected
        return (windows, turns, cutouts)

    @property
    def group(self) -> GroupLooks:
        """What `render_views` is told of these views."""
        return GroupLooks(self.looks, self.size, self.law.rotation_degrees, self.num_before)

    @property
    def inputs(self) -> tuple:
        """Arguments of `reference.render_views` in its order."""
        saliency = (self.maps, self.window.marks)
        return (
            self.images,
            self.ranges,
            saliency,
            self.plan,
            self.index,
            self.key,
            self.group,
        )
