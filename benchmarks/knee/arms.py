"""The arms of the study: what each does to make a view, and which map it looks at.

Enters: the name of an arm and the gaze maps of the images. Leaves: a `ViewPolicy` and the
saliency for `GCALoader`. All arms share flip, jitter and blur; they differ in crop, cutout and
mask, and in the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from crops import draw_windows

from gca_dali.gaze.table import centre_map, mean_map, quantise_maps
from gca_dali.policy.view_policy import ViewPolicy

UNTRAINED = "untrained"
OPERATORS = {
    "crop": ("crop",),
    "cutout": ("cutout",),
    "mask": ("appearances",),
    "crop_cutout": ("crop", "cutout"),
    "crop_mask": ("crop", "appearances"),
    "cutout_mask": ("cutout", "appearances"),
}
"""The paper's ablation: what each arm takes from `gca`; the rest is that of `random`."""
OTHER_MAPS = ("centre", "mean", "shuffled")
"""`gca` on maps that are not of the image's gaze."""
REMEDIES: dict[str, dict[str, float]] = {
    "gca_tau60": {"tau": 0.6},
    "gca_weighted": {"tau": 0.0, "weight": 2},
    "gca_peaks": {},
}
"""`gca_hold` with changes: tries for maps so wide that tau 0.92 leaves no window small. Less to
hold, nothing to hold but places weighted by what they hold, or maps cut down to their peaks."""
PRESETS = ("random", "searched", "contrastive_crop", "gca", "gca_hold", "gca_paper")
MATCHED = "random_matched"
ARMS = (UNTRAINED, *PRESETS, *OTHER_MAPS, MATCHED, *OPERATORS, *REMEDIES)

_PUBLISHED_PX = 224
_PEAK_SHARE = 0.4


@dataclass(frozen=True)
class Arm:
    """What `GCALoader` is given: a policy, and maps, uint8 [N, 64, 64], where it reads any."""

    policy: ViewPolicy
    maps: np.ndarray | None


def build_arm(name: str, gaze: np.ndarray, shapes: np.ndarray, size_px: int) -> Arm:
    """Build an arm.

    Parameters
    ----------
    name : str
        One of `ARMS` but "untrained".
    gaze : numpy.ndarray, uint8, [N, 64, 64]
        The gaze map of each image.
    shapes : numpy.ndarray, int32, [N, 2]
        Height and width of each image.
    size_px : int
        Side of a view.
    """
    gca, random = ViewPolicy.gca(), ViewPolicy.random()
    if name in PRESETS:
        policy = ViewPolicy.preset(name)
    elif name in OTHER_MAPS:
        policy = gca
    elif name in REMEDIES:
        policy = ViewPolicy.gca_hold(**REMEDIES[name])
    elif name == MATCHED:
        policy = random.replace(size_range=(match_area(gaze, shapes), 1.0))
    else:
        (whole,) = gca.groups
        policy = random.replace(**{part: getattr(whole, part) for part in OPERATORS[name]})
    maps = choose_maps(name, gaze) if policy.reads_saliency else None
    return Arm(fit_size(policy, size_px), maps)


def choose_maps(name: str, gaze: np.ndarray) -> np.ndarray:
    """Return the maps that an arm looks at, uint8, [N, 64, 64]."""
    if name == "centre":
        return np.broadcast_to(quantise_maps([centre_map()]), gaze.shape)
    if name == "mean":
        return np.broadcast_to(mean_map(gaze), gaze.shape)
    if name == "shuffled":
        # The next in a random circle: nobody keeps their own.
        circle = np.random.default_rng(0).permutation(len(gaze))
        shuffled = np.empty_like(gaze)
        shuffled[circle] = gaze[np.roll(circle, 1)]
        return shuffled
    if name == "gca_peaks":
        peak = gaze.max((1, 2), keepdims=True)
        return np.where(gaze < _PEAK_SHARE * peak, 0, gaze).astype(np.uint8)
    return gaze


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
