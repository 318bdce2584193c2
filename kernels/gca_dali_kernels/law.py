"""How windows and cutouts are drawn: numbers and tables that every implementation shares.

Enters: `WindowLaw` and `CutoutLaw`, made by a policy. Leaves: records of integers and integer
tables, so that CPU and GPU compare integers and choose the same window to the bit. Lengths on a
map are in units of 1/256 cell; `_q16` is a fixed-point number with 16 fractional bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

UNITS_PER_CELL = 256
MAX_MAP_SIDE = 256
NUM_STEPS = 1024
NUM_SIZE_ATTEMPTS = 10
NUM_GROWTH_STEPS = 256
SUBROWS_PER_CELL = 4

SIZE_FIRST, REJECTION, CONTRASTIVE_CROP = range(3)
AREA, ZOOM = range(2)
LAWS = {"size_first": SIZE_FIRST, "rejection": REJECTION, "contrastive_crop": CONTRASTIVE_CROP}
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
            "weight",
            "num_candidates",
            "flip_q32",
            "rotation_q32",
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
        "size_first", "rejection" or "contrastive_crop".
    size : str
        "area": share of the image, with log-uniform aspect; "zoom": the image's sides over zoom.
    size_range : tuple of float
        Area in (0, 1] or zoom ≥ 1.
    aspect_range : tuple of float
        Width over height in pixels; used by size "area".
    tau : float
        Least share of the saliency mass that the window must hold, 0 to 1.
    weight : int
        Power of the share that a place is accepted with: 0, 1 or 2.
    num_candidates : int
        Places (size_first) or whole windows (rejection) tried before the exact search.
    flip : float
        Probability of a horizontal flip.
    rotation_degrees : float
        Angles are uniform in ± this, in 1,024 steps.
    rotation : float
        Probability of a rotation.
    beta : float
        Both parameters of the Beta law of contrastive_crop.
    """

    law: str = "size_first"
    size: str = "area"
    size_range: tuple[float, float] = (0.2, 1.0)
    aspect_range: tuple[float, float] = (3 / 4, 4 / 3)
    tau: float = 0.9
    weight: int = 1
    num_candidates: int = 64
    flip: float = 0.5
    rotation_degrees: float = 0.0
    rotation: float = 0.0
    beta: float = 0.6
    record: np.void = field(init=False, repr=False, compare=False)
    aspects_q16: np.ndarray = field(init=False, repr=False, compare=False)
    rotations_q16: np.ndarray = field(init=False, repr=False, compare=False)
    betas_q16: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compute the integers once."""
        shift = 32 if self.size == "area" else 16
        values = (
            LAWS[self.law],
            SIZES[self.size],
            round(self.size_range[0] * 2**shift),
            round(self.size_range[1] * 2**shift),
            math.ceil(self.tau * 2**16),
            self.weight,
            self.num_candidates,
            probability_q32(self.flip),
            probability_q32(self.rotation),
        )
        assign = object.__setattr__
        assign(self, "record", np.array([values], dtype=WINDOW_DTYPE)[0])
        assign(self, "aspects_q16", root_aspect_table(*self.aspect_range))
        assign(self, "rotations_q16", rotation_table(self.rotation_degrees))
        assign(self, "betas_q16", beta_table(self.beta))


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
    record: np.void = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compute the integers once."""
        low, high = (round(side * 2**16) for side in self.side_range)
        values = (
            probability_q32(self.probability),
            low,
            high,
            math.floor(self.max_loss * 2**16),
            self.num_redraws,
        )
        object.__setattr__(self, "record", np.array([values], dtype=CUTOUT_DTYPE)[0])


def root_aspect_table(low: float, high: float) -> np.ndarray:
    """Return √aspect at the middles of 1,024 equal steps of log aspect, int64, [1024], Q16."""
    steps = (np.arange(NUM_STEPS) + 0.5) / NUM_STEPS
    log_aspect = math.log(low) + (math.log(high) - math.log(low)) * steps
    return np.rint(np.exp(0.5 * log_aspect) * 2**16).astype(np.int64)


def rotation_table(degrees: float) -> np.ndarray:
    """Return cosine and sine of 1,024 angles in ± `degrees`, int64, [1024, 2], Q16."""
    steps = (np.arange(NUM_STEPS) + 0.5) / NUM_STEPS
    angles = np.deg2rad(degrees) * (2 * steps - 1)
    return np.rint(np.stack([np.cos(angles), np.sin(angles)], axis=1) * 2**16).astype(np.int64)


def beta_table(beta: float, num_nodes: int = 20_001) -> np.ndarray:
    """Return quantiles of the symmetric Beta(beta, beta) law, int64, [1025], Q16.

    The substitution x = sin²(θ) turns its density into sin·cos to the power 2·beta − 1, which has
    no pole for beta ≥ 0.5; the cumulative sum over θ is inverted by linear interpolation.
    """
    theta = np.linspace(0.0, np.pi / 2, num_nodes)
    middle = 0.5 * (theta[1:] + theta[:-1])
    steps = (np.sin(middle) * np.cos(middle)) ** (2 * beta - 1)
    cumulative = np.concatenate([[0.0], np.cumsum(steps)])
    quantiles = np.interp(np.arange(NUM_STEPS + 1) / NUM_STEPS, cumulative / cumulative[-1], theta)
    return np.rint(np.sin(quantiles) ** 2 * 2**16).astype(np.int64)
