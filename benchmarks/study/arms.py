"""The arms of the study: what each does to make a view, and which map it looks at.

Enters: the name of an arm, as "crop" or "crop@shuffled", and the gaze maps of the images. Leaves:
a `ViewPolicy` and the saliency for `GCALoader`. All arms share flip, jitter and blur; they differ
in crop, cutout and mask, and in the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from crops import draw_windows

from gca_dali.common.checks import check_choice
from gca_dali.gaze.table import centre_map, mean_map, quantise_maps
from gca_dali.policy.view_policy import ViewPolicy

UNTRAINED = "untrained"
PRESETS = (
    "random",
    "gca",
    "gca_relative",
    "gca_focus",
    "gca_hold",
    "gca_paper",
    "contrastive_crop",
    "searched",
)
OPERATORS = {
    "crop": ("crop",),
    "cutout": ("cutout",),
    "mask": ("appearances",),
    "crop_cutout": ("crop", "cutout"),
    "crop_mask": ("crop", "appearances"),
    "cutout_mask": ("cutout", "appearances"),
}
"""What each arm takes from `gca`; the rest is that of `random`. "crop" is `gca`'s crop alone."""
SMALL = {"random_small": "random", "crop_small": "crop"}
"""The same with windows of 0.1 to 0.5 of the image."""
MULTI_CROP = ("dino", "gca_dino", "gca_globals")
"""For the method "dino". "gca_globals" follows the gaze in the global views, not in the local."""
MATCHED = "random_matched"
POLICIES = (*PRESETS, *OPERATORS, *SMALL, *MULTI_CROP, MATCHED)
MAPS = ("predicted", "reader", "shuffled", "mean", "centre")
"""Of the image by the predictor; of the image by the simulated reader himself; predicted of
another image; the mean of all; a Gaussian."""

_SMALL_AREA = (0.1, 0.5)
_PUBLISHED_PX = 224


@dataclass(frozen=True)
class Arm:
    """What `GCALoader` is given: a policy, and maps, uint8 [N, 64, 64], where it reads any."""

    policy: ViewPolicy
    maps: np.ndarray | None


def split_name(arm: str) -> tuple[str, str]:
    """Return policy and map of an arm.

    Raises
    ------
    ValueError
        If there is no such policy or map.
    """
    policy, _, kind = arm.partition("@")
    check_choice("arm", policy, (UNTRAINED, *POLICIES))
    check_choice(f"map of {arm}", kind or MAPS[0], MAPS)
    return policy, kind or MAPS[0]


def build_policy(name: str, gaze: np.ndarray, shapes: np.ndarray, flip: float) -> ViewPolicy:
    """Build the policy of an arm, for views of 224 px.

    Parameters
    ----------
    name : str
        One of `POLICIES`.
    gaze : numpy.ndarray, uint8, [N, 64, 64]
        Predicted maps: windows of "random_matched" are as large as those of `gca_hold` on them.
    shapes : numpy.ndarray, int32, [N, 2]
        Height and width of each image.
    flip : float
        Probability that a view is mirrored.
    """
    random = ViewPolicy.random()
    if name in SMALL:
        policy = build_policy(SMALL[name], gaze, shapes, flip).replace(size_range=_SMALL_AREA)
    elif name == MATCHED:
        policy = random.replace(size_range=(match_area(gaze, shapes), 1.0))
    elif name in OPERATORS:
        (whole,) = ViewPolicy.gca().groups
        policy = random.replace(**{part: getattr(whole, part) for part in OPERATORS[name]})
    elif name == "gca_globals":
        large, small = ViewPolicy.gca_dino().groups
        laws = {f"groups.0.crop.{part}": getattr(small.crop, part) for part in _LAW}
        free = {f"groups.1.crop.{part}": getattr(large.crop, part) for part in _LAW}
        policy = ViewPolicy.gca_dino().replace(**laws, **free)
    else:
        policy = ViewPolicy.preset(name)
    changes = {f"groups.{number}.flip": flip for number in range(len(policy.groups))}
    return policy.replace(**changes)


_LAW = ("law", "rho", "focus")


def choose_maps(kind: str, predicted: np.ndarray) -> np.ndarray:
    """Return the maps of a kind that are made of the predicted ones, uint8, [N, 64, 64]."""
    if kind == "centre":
        return np.broadcast_to(quantise_maps([centre_map()]), predicted.shape)
    if kind == "mean":
        return np.broadcast_to(mean_map(predicted), predicted.shape)
    if kind == "shuffled":
        # The next in a random circle: nobody keeps their own.
        circle = np.random.default_rng(0).permutation(len(predicted))
        shuffled = np.empty_like(predicted)
        shuffled[circle] = predicted[np.roll(circle, 1)]
        return shuffled
    return predicted


def fit_size(policy: ViewPolicy, size_px: int) -> ViewPolicy:
    """Return the policy for views of another size; a blur that is stated for 224 px shrinks too."""
    scale = size_px / _PUBLISHED_PX
    changes = {}
    for number, group in enumerate(policy.groups):
        for place, look in enumerate(group.appearances):
            if look.blur is not None:
                name = f"groups.{number}.appearances.{place}.blur.strength"
                changes[name] = tuple(max(sigma * scale, 0.01) for sigma in look.blur.strength)
    return policy.replace(size=size_px, **changes)


def match_area(gaze: np.ndarray, shapes: np.ndarray) -> float:
    """Return the least area at which `random` windows are as large as those of `gca_hold`."""
    wanted = draw_windows(ViewPolicy.gca_hold(), gaze, shapes).area().mean()
    low, high = 0.01, 0.99
    for _ in range(12):
        middle = (low + high) / 2
        policy = ViewPolicy.random(size_range=(middle, 1.0))
        small = draw_windows(policy, gaze, shapes).area().mean() < wanted
        low, high = (middle, high) if small else (low, middle)
    return round((low + high) / 2, 3)
