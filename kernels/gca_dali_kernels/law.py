"""How windows and cutouts are drawn: numbers and tables that every implementation shares.

Enters: `WindowLaw` and `CutoutLaw`, made by a policy, one of each per group of views. Leaves:
`ViewLaws`, records of integers and integer tables, so that CPU and GPU compare integers and choose
the same window to the bit. Lengths on a map are in units of 1/256 cell; `_q16` is a fixed-point
number with 16 fractional bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from gca_dali_kernels.tables import beta_table, root_aspect_table, rotation_table

# Raised where the same law and key would give another window.
LAW_VERSION = 2

UNITS_PER_CELL = 256
MAX_MAP_SIDE = 256
NUM_SIZE_ATTEMPTS = 10
NUM_GROWTH_STEPS = 256
SUBROWS_PER_CELL = 4
ONE_Q16 = 1 << 16
# Windows that are drawn until one overlaps no earlier one by more than max_iou.
NUM_REDRAWS = 32
# Between the numbers of the draws of one window and those of the next attempt at it.
ATTEMPT_STRIDE = 1 << 20
# A window is placed so that the focus lies in it, this share of a side or more from its edges.
FOCUS_MARGIN_TENTHS = 1

FREE, RELATIVE, HOLD, REJECTION, CONTRASTIVE_CROP = range(5)
AREA, ZOOM = range(2)
LAWS = {
    "free": FREE,
    "relative": RELATIVE,
    "hold": HOLD,
    "rejection": REJECTION,
    "contrastive_crop": CONTRASTIVE_CROP,
}
SIZES = {"area": AREA, "zoom": ZOOM}

# int64 throughout: Numba turns a mix of int64 and uint64 into float64.
WINDOW_DTYPE = np.dtype(
    [
        (name, np.int64)
        for name in (
            "law",
            "size",
            "size_low",  # area: 32 fractional bits; zoom: 16
            "size_high",
            "tau_q16",
            "rho_q16",
            "weight",
            "num_candidates",
            "focus",
            "max_iou_q16",
            "flip_q32",
            "rotation_q32",
            "first_view",
            "num_views",
        )
    ]
)
CUTOUT_DTYPE = np.dtype(
    [
        (name, np.int64)
        for name in ("probability_q32", "side_low_q16", "side_high_q16", "loss_q16", "num_redraws")
    ]
)


def probability_q32(probability: float) -> int:
    """Return the number of 32-bit words, out of 2**32, that count as a success."""
    return round(probability * 2**32)


@dataclass(frozen=True)
class WindowLaw:
    """The law of one window; see `reference.sample_windows` for what each number does.

    Attributes
    ----------
    law : str
        "free", "relative", "hold", "rejection" or "contrastive_crop".
    size : str
        "area": share of the image, with log-uniform aspect; "zoom": the image's sides over zoom.
    size_range : tuple of float
        Area in (0, 1] or zoom ≥ 1.
    aspect_range : tuple of float
        Width over height in pixels; used by size "area".
    tau : float
        Least share of the saliency mass that the window must hold, 0 to 1 (hold, rejection).
    rho : float
        Least share of the most mass that any candidate holds, 0 to 1 (relative).
    weight : int
        Power of the share that a place is accepted with: 0, 1 or 2.
    num_candidates : int
        Places (relative, hold) or whole windows (rejection) that are drawn.
    focus : bool
        Place the window around the attended point of the image (free, relative).
    max_iou : float
        Most overlap with an earlier window of the group; 1 allows any.
    flip : float
        Probability of a horizontal flip.
    rotation_degrees : float
        Angles are uniform in ± this, in 1,024 steps.
    rotation : float
        Probability of a rotation.
    beta : float
        Both parameters of the Beta law of contrastive_crop.
    """

    law: str = "hold"
    size: str = "area"
    size_range: tuple[float, float] = (0.2, 1.0)
    aspect_range: tuple[float, float] = (3 / 4, 4 / 3)
    tau: float = 0.0
    rho: float = 0.0
    weight: int = 0
    num_candidates: int = 64
    focus: bool = False
    max_iou: float = 1.0
    flip: float = 0.5
    rotation_degrees: float = 0.0
    rotation: float = 0.0
    beta: float = 0.6

    def record(self, first_view: int, num_views: int) -> tuple[int, ...]:
        """Return the fields of `WINDOW_DTYPE` for a group of views."""
        shift = 32 if self.size == "area" else 16
        chooses = self.law in ("relative", "hold", "rejection")
        return (
            LAWS[self.law],
            SIZES[self.size],
            round(self.size_range[0] * 2**shift),
            round(self.size_range[1] * 2**shift),
            math.ceil(self.tau * ONE_Q16),
            math.ceil(self.rho * ONE_Q16),
            self.weight,
            self.num_candidates if chooses else 1,
            int(self.focus),
            math.floor(self.max_iou * ONE_Q16),
            probability_q32(self.flip),
            probability_q32(self.rotation),
            first_view,
            num_views,
        )


@dataclass(frozen=True)
class CutoutLaw:
    """The law of one cutout: a rectangle of the view that hides little saliency.

    Attributes
    ----------
    probability : float
        Of a cutout in a view.
    side_range : tuple of float
        Each side as a share of the view's side.
    max_loss : float
        Greatest share of the view's saliency mass that may be covered.
    num_redraws : int
        Rectangles tried; where none is accepted the view has no cutout.
    """

    probability: float = 0.0
    side_range: tuple[float, float] = (48 / 224, 96 / 224)
    max_loss: float = 0.1
    num_redraws: int = 100

    @property
    def record(self) -> tuple[int, ...]:
        """The fields of `CUTOUT_DTYPE`."""
        low, high = (round(side * ONE_Q16) for side in self.side_range)
        loss = math.floor(self.max_loss * ONE_Q16)
        return probability_q32(self.probability), low, high, loss, self.num_redraws


@dataclass(frozen=True)
class GroupLaw:
    """The laws of one group of views, which follow those of the groups before."""

    window: WindowLaw
    num_views: int = 2
    cutout: CutoutLaw = field(default_factory=CutoutLaw)


@dataclass(frozen=True)
class ViewLaws:
    """The laws of all views of an image: G groups, V views, counted over the groups in order.

    Attributes
    ----------
    groups : tuple of GroupLaw
    """

    groups: tuple[GroupLaw, ...]

    @classmethod
    def one(
        cls, window: WindowLaw, num_views: int = 2, cutout: CutoutLaw | None = None
    ) -> ViewLaws:
        """Return the laws of a single group."""
        return cls((GroupLaw(window, num_views, cutout or CutoutLaw()),))

    @property
    def num_views(self) -> int:
        """Number of views of all groups, V."""
        return sum(group.num_views for group in self.groups)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """The views of each group."""
        ends = np.cumsum([group.num_views for group in self.groups]).tolist()
        return tuple(slice(a, b) for a, b in zip([0, *ends], ends, strict=False))

    @property
    def focus_view(self) -> int:
        """The view that the shared focus is first used by; -1 where none is."""
        pairs = zip(self.groups, self.slices, strict=True)
        return next((views.start for group, views in pairs if group.window.focus), -1)

    @cached_property
    def group_of_view(self) -> np.ndarray:
        """The group of each view, int32, [V]."""
        counts = [group.num_views for group in self.groups]
        return np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    @cached_property
    def window_records(self) -> np.ndarray:
        """Records of the window laws, `WINDOW_DTYPE`, [G]."""
        pairs = zip(self.groups, self.slices, strict=True)
        records = [group.window.record(v.start, group.num_views) for group, v in pairs]
        return np.array(records, WINDOW_DTYPE)

    @cached_property
    def cutout_records(self) -> np.ndarray:
        """Records of the cutout laws, `CUTOUT_DTYPE`, [G]."""
        return np.array([group.cutout.record for group in self.groups], CUTOUT_DTYPE)

    @cached_property
    def aspects_q16(self) -> np.ndarray:
        """Square roots of aspects, int64, [G, 1024]."""
        return np.stack([root_aspect_table(*group.window.aspect_range) for group in self.groups])

    @cached_property
    def rotations_q16(self) -> np.ndarray:
        """Cosine and sine of the angles, int64, [G, 1024, 2]."""
        return np.stack([rotation_table(group.window.rotation_degrees) for group in self.groups])

    @cached_property
    def betas_q16(self) -> np.ndarray:
        """Quantiles of the Beta law, int64, [G, 1025]."""
        return np.stack([beta_table(group.window.beta) for group in self.groups])
