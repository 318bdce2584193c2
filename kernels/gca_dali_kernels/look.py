"""How a view looks: the ranges of its blur, intensity changes, noise, mask and normalisation.

Enters: `ViewLook`, made by a policy, one per view. Leaves: records that `render_views` reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from gca_dali_kernels.law import probability_q32
from gca_dali_kernels.tables import rotation_table

NO_MASK, SOFT_MASK, HARD_MASK = range(3)
MASKS = {"none": NO_MASK, "soft": SOFT_MASK, "hard": HARD_MASK}
# Sum of four independent 16-bit words: mean 131,070, standard deviation 65,536·√(4/12).
NOISE_MEAN, NOISE_DEVIATION = 131_070.0, 37_837.23

_RANGES = ("brightness", "contrast", "gamma", "blur_sigma_px", "noise_sigma")
LOOK_DTYPE = np.dtype(
    [
        (name, np.int64)
        for name in ("jitter_q32", "gamma_q32", "blur_q32", "solarize_q32", "noise_q32", "mask_q32")
    ]
    + [("mask", np.int64)]
    + [(f"{name}_{end}", np.float64) for name in _RANGES for end in ("low", "high")]
    + [(name, np.float64) for name in ("mask_floor", "mean", "deviation")]
)


@dataclass(frozen=True)
class ViewLook:
    """The look of one view; every draw is uniform in its range.

    Attributes
    ----------
    jitter : float
        Probability that brightness and contrast change (factors).
    gamma_probability, blur, solarize, noise, mask_probability : float
        Probabilities of the other operators.
    blur_sigma_px : tuple of float
        Standard deviation of the Gaussian in pixels of the view.
    noise_sigma : tuple of float
        Standard deviation of the noise, intensities being 0 to 1.
    mask : str
        "none", "soft" (saliency + `mask_floor`, at most 1) or "hard" (80 % of the cells black).
    mask_floor : float
        What the soft mask leaves where nobody looked.
    mean, deviation : float
        The view is (x − mean) / deviation at the end.
    """

    jitter: float = 0.0
    brightness: tuple[float, float] = (1.0, 1.0)
    contrast: tuple[float, float] = (1.0, 1.0)
    gamma_probability: float = 0.0
    gamma: tuple[float, float] = (1.0, 1.0)
    blur: float = 0.0
    blur_sigma_px: tuple[float, float] = (0.1, 2.0)
    solarize: float = 0.0
    noise: float = 0.0
    noise_sigma: tuple[float, float] = (0.0, 0.0)
    mask: str = "none"
    mask_probability: float = 0.0
    mask_floor: float = 0.1
    mean: float = 0.0
    deviation: float = 1.0
    record: np.void = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compute the record once."""
        values: list[float] = [
            probability_q32(probability)
            for probability in (
                self.jitter,
                self.gamma_probability,
                self.blur,
                self.solarize,
                self.noise,
                self.mask_probability,
            )
        ]
        values.append(MASKS[self.mask])
        for name in _RANGES:
            values.extend(getattr(self, name))
        values.extend((self.mask_floor, self.mean, self.deviation))
        object.__setattr__(self, "record", np.array([tuple(values)], dtype=LOOK_DTYPE)[0])


@dataclass(frozen=True)
class GroupLooks:
    """How the views of one group look.

    Attributes
    ----------
    looks : tuple of ViewLook
        One per view of the group.
    size : tuple of int
        Height and width of a view in pixels.
    rotation_degrees : float
        Of the group's window law: turns are steps of its table.
    first_view : int
        Views of all groups before.
    """

    looks: tuple[ViewLook, ...]
    size: tuple[int, int]
    rotation_degrees: float = 0.0
    first_view: int = 0

    @cached_property
    def records(self) -> np.ndarray:
        """The looks' records, `LOOK_DTYPE`, [views of the group]."""
        return np.array([look.record for look in self.looks], LOOK_DTYPE)

    @cached_property
    def rotations_q16(self) -> np.ndarray:
        """Cosine and sine of the angles, int64, [1024, 2]."""
        return rotation_table(self.rotation_degrees)
