"""The groups of views of each preset, with the source of its numbers.

Leaves: a tuple of `ViewGroup`. Published numbers are for views of 224 pixels. On grey images hue,
saturation and grayscale do nothing and are left out.
"""

from __future__ import annotations

from dataclasses import replace

from gca_dali.policy.group import ViewGroup
from gca_dali.policy.parts import Appearance, Change, Crop, Cutout

Groups = tuple[ViewGroup, ...]

_BLUR_SIGMA = (0.1, 2.0)
_BLUR = Change(0.5, _BLUR_SIGMA)
_MOCO = Appearance(jitter=0.8, brightness=(0.6, 1.4), contrast=(0.6, 1.4), blur=_BLUR)
_RELATIVE = Crop("relative", rho=0.9, focus=True)
# Chosen by looking at views of dental films (boxes as gaze), knees (predicted gaze) and chests
# (centre prior), masked and without jitter. The papers' floor of 0.1 leaves 0.12 to 0.28 of the
# brightness of dental films and knees: all else is black. Bone shows at 0.3;
# at 0.5 (0.5 to 0.65 of the brightness, 0.88 of a chest's) all can be read and what was looked at
# still stands out; at 0.7 it hardly does. Half of the views have no mask.
_SOFT = replace(_MOCO, mask="soft", mask_probability=0.5, mask_floor=0.5)


def _blurred(probability: float, solarize: float = 0.0) -> Appearance:
    return replace(_MOCO, blur=Change(probability, _BLUR_SIGMA), solarize=solarize)


def gca() -> Groups:
    """Windows that hold 0.9 of the most they could, around a shared point: our default."""
    return (ViewGroup(crop=_RELATIVE, cutout=Cutout(), appearances=(_SOFT,)),)


def gca_relative() -> Groups:
    """Windows by the law "relative" alone: no focus, cutout or mask."""
    return (ViewGroup(crop=replace(_RELATIVE, focus=False), appearances=(_MOCO,)),)


def gca_focus() -> Groups:
    """Free windows around a shared attended point; no cutout or mask."""
    return (ViewGroup(crop=Crop(focus=True), appearances=(_MOCO,)),)


def gca_hold() -> Groups:
    """Windows that hold 0.92 of the saliency, whatever size that takes; cutout and mask of `gca`.

    At the papers' 0.9 the windows keep 0.989 of the lesions of 190 dental images (simulated gaze),
    at 0.92 they keep 0.993 for 0.002 more area. On wide maps they take most of the image.
    """
    crop = Crop("hold", tau=0.92, weight=1)
    return (ViewGroup(crop=crop, cutout=Cutout(), appearances=(_SOFT,)),)


def gca_paper() -> Groups:
    """GCA as published (Wang et al., PMLR 226, 2024): crop 0.8, cutout 0.9, hard 80 % mask.

    Sizes and probabilities are unstated there; ours are MoCo v2's and 0.5. The share of the gaze
    region is taken as the share of the saliency mass.
    """
    crop = Crop(law="rejection", tau=0.8, num_candidates=200)
    look = replace(_MOCO, mask="hard", mask_probability=0.5)
    return (ViewGroup(crop=crop, cutout=Cutout(), appearances=(look,)),)


def focus_contrast() -> Groups:
    """FocusContrast (arXiv 2305.08826): zoom 1–2, tau 0.9, cutout, mask, rotation ± 45°."""
    crop = Crop("rejection", "zoom", (1.0, 2.0), tau=0.9, num_candidates=200)
    look = Appearance(0.5, (0.8, 1.2), (0.2, 1.8), mask="soft", mask_probability=0.5)
    cutout = Cutout(side_range=(48 / 224, 0.5))
    group = ViewGroup(crop=crop, cutout=cutout, appearances=(look,))
    return (replace(group, rotation_degrees=45.0, rotation=0.5),)


def random() -> Groups:
    """MoCo v2 (Chen et al. 2020): area 0.2–1, jitter 0.4, blur."""
    return (ViewGroup(appearances=(_MOCO,)),)


def simclr() -> Groups:
    """SimCLR (Chen et al. 2020): area 0.08–1, jitter 0.8, blur."""
    look = Appearance(0.8, (0.2, 1.8), (0.2, 1.8), blur=_BLUR)
    return (ViewGroup(crop=Crop(size_range=(0.08, 1.0)), appearances=(look,)),)


def byol() -> Groups:
    """BYOL (Grill et al. 2020): blur with probability 1 and 0.1, solarize 0 and 0.2."""
    looks = (_blurred(1.0), _blurred(0.1, solarize=0.2))
    return (ViewGroup(crop=Crop(size_range=(0.08, 1.0)), appearances=looks),)


def vicreg() -> Groups:
    """VICReg (Bardes et al. 2022) as solo-learn has it: area 0.2–1, blur 0.5, solarize 0.1."""
    return (ViewGroup(appearances=(_blurred(0.5, solarize=0.1),)),)


def searched() -> Groups:
    """GCA's baseline "Searched": zoom 1.2, cutout of 48 px that looks at no saliency."""
    side = 48 / 224
    crop = Crop(size_by="zoom", size_range=(1.2, 1.2))
    cutout = Cutout(probability=1.0, side_range=(side, side), max_loss=1.0)
    return (ViewGroup(crop=crop, cutout=cutout, appearances=(_MOCO,)),)


def contrastive_crop() -> Groups:
    """ContrastiveCrop (Peng et al. 2022): Beta(0.6) places in the box of the map above 0.1."""
    return (ViewGroup(crop=Crop("contrastive_crop"), appearances=(_MOCO,)),)


def dino() -> Groups:
    """DINO (Caron et al. 2021, its code): two views of area 0.4–1, eight of 0.05–0.4 at 96 px."""
    looks = (_blurred(1.0), _blurred(0.1, solarize=0.2))
    return _multi_crop(0.4, looks, Crop(size_range=(0.05, 0.4)))


def dinov2() -> Groups:
    """DINOv2 (Oquab et al. 2023) and DINOv3 as their code is: areas 0.32–1 and 0.05–0.32.

    Its code blurs the global views with probability 0 and 0.9, the inverse of what is written, and
    the released weights were trained so.
    """
    looks = (_blurred(0.0), _blurred(0.9, solarize=0.2))
    return _multi_crop(0.32, looks, Crop(size_range=(0.05, 0.32)))


def gca_dino() -> Groups:
    """Two free global views; eight local ones by "relative" around a shared attended point."""
    looks = (_blurred(1.0), _blurred(0.1, solarize=0.2))
    return _multi_crop(0.32, looks, replace(_RELATIVE, size_range=(0.05, 0.32)))


def _multi_crop(least_area: float, looks: tuple[Appearance, ...], local: Crop) -> Groups:
    """Return two views of 224 px with these looks, and eight local ones of 96 px."""
    large = ViewGroup(2, 224, Crop(size_range=(least_area, 1.0)), appearances=looks)
    return large, ViewGroup(8, 96, local, appearances=(_blurred(0.5),))
