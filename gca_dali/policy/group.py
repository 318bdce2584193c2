"""`ViewGroup`: views of one size that are made in one way.

Enters: a crop, a cutout, appearances. Leaves: the law and the looks of the group, for the kernels.
Next: `view_policy` puts groups one behind the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gca_dali.common.checks import check_at_least, check_probability
from gca_dali.policy.parts import Appearance, Change, Crop, Cutout

if TYPE_CHECKING:
    from gca_dali_kernels.law import GroupLaw
    from gca_dali_kernels.look import ViewLook

MAX_VIEWS = 256  # of all groups: a view's number is a byte of the key


@dataclass(frozen=True)
class ViewGroup:
    """Some views of an image, all of one size.

    Attributes
    ----------
    num_views : int
    size : int
        Height and width of a view in pixels.
    crop : Crop
    cutout : Cutout or None
    appearances : tuple of Appearance
        View v of the group takes `appearances[v % len(appearances)]`: BYOL blurs its views
        unequally.
    flip : float
        Probability of a horizontal flip. It changes what a chest image means (heart side), not
        what a single knee does.
    rotation_degrees : float
        Rotation is uniform in ± this, with probability `rotation`.
    """

    num_views: int = 2
    size: int = 224
    crop: Crop = field(default_factory=Crop)
    cutout: Cutout | None = None
    appearances: tuple[Appearance, ...] = (Appearance(),)
    flip: float = 0.5
    rotation_degrees: float = 0.0
    rotation: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that no view can have."""
        check_at_least("num_views", self.num_views, 1)
        check_at_least("size", self.size, 1)
        check_probability("flip", self.flip)
        check_probability("rotation", self.rotation)
        if not 0.0 <= self.rotation_degrees <= 180.0:
            raise ValueError(
                f"rotation_degrees must be 0 to 180, got {self.rotation_degrees}. "
                "Angles are drawn in ± this."
            )
        if self.size > 4096:
            raise ValueError(f"size must be 1 to 4096 pixels, got {self.size}. 224 is usual.")
        if not self.appearances:
            raise ValueError(
                "appearances must hold at least one Appearance, got none. Leave it out for a plain "
                "one."
            )

    @property
    def reads_saliency(self) -> bool:
        """Whether any of its views depends on the map."""
        masked = any(a.mask != "none" and a.mask_probability > 0 for a in self.appearances)
        hidden = self.cutout is not None and self.cutout.max_loss < 1.0
        return self.crop.reads_saliency or hidden or masked

    @property
    def law(self) -> GroupLaw:
        """The laws of its windows and cutouts, for the kernels."""
        from gca_dali_kernels.law import CutoutLaw, GroupLaw, WindowLaw

        crop, cutout = self.crop, self.cutout
        window = WindowLaw(
            law=crop.law,
            size=crop.size_by,
            size_range=crop.size_range,
            aspect_range=crop.aspect_range,
            tau=crop.tau,
            rho=crop.rho,
            weight=crop.weight,
            num_candidates=crop.num_candidates,
            focus=crop.focus,
            max_iou=crop.max_iou,
            flip=self.flip,
            rotation_degrees=self.rotation_degrees,
            rotation=self.rotation,
        )
        if cutout is None:
            return GroupLaw(window, self.num_views, CutoutLaw(probability=0.0))
        numbers = (cutout.probability, cutout.side_range, cutout.max_loss, cutout.num_redraws)
        return GroupLaw(window, self.num_views, CutoutLaw(*numbers))

    def looks(self, mean: float, deviation: float) -> tuple[ViewLook, ...]:
        """Return one look per view, for the kernels."""
        made = [make_look(appearance, mean, deviation) for appearance in self.appearances]
        return tuple(made[view % len(made)] for view in range(self.num_views))


def make_look(appearance: Appearance, mean: float, deviation: float) -> ViewLook:
    """Return what the kernels are told of an appearance."""
    from gca_dali_kernels.look import ViewLook

    a, none = appearance, Change(0.0, (1.0, 1.0))
    gamma, blur, noise = a.gamma or none, a.blur or none, a.noise or none
    return ViewLook(
        jitter=a.jitter,
        brightness=a.brightness or (1.0, 1.0),
        contrast=a.contrast or (1.0, 1.0),
        gamma_probability=gamma.probability,
        gamma=gamma.strength,
        blur=blur.probability,
        blur_sigma_px=blur.strength,
        solarize=a.solarize,
        noise=noise.probability,
        noise_sigma=noise.strength,
        mask=a.mask,
        mask_probability=a.mask_probability,
        mask_floor=a.mask_floor,
        mean=mean,
        deviation=deviation,
    )
