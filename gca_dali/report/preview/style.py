"""Colours and words that the PNG and the HTML preview share."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gca_dali.policy.parts import Crop
    from gca_dali.policy.view_policy import ViewPolicy
    from gca_dali.report.preview.sample import Preview, Sample, ViewFacts

BACKGROUND, PANEL = "#0d1117", "#161b22"
TEXT, FAINT, LESION, FOCUS, RIM = "#e6edf3", "#8b949e", "#ffffff", "#ffffff", "#000000b0"
# Cool, bright and far apart, so that windows stand out from grey bone and warm saliency.
VIEW_COLOURS = (
    "#22d3ee",
    "#a3e635",
    "#f472b6",
    "#818cf8",
    "#fb7185",
    "#2dd4bf",
    "#38bdf8",
    "#c084fc",
    "#4ade80",
    "#f0abfc",
    "#93c5fd",
    "#bef264",
)
# Saliency 0, 1/4, 1/2, 3/4, 1: red, green, blue and how much of it lies over the image.
_HEAT = np.array(
    [
        (60, 10, 110, 0.00),
        (150, 30, 120, 0.35),
        (225, 60, 70, 0.50),
        (250, 140, 20, 0.60),
        (255, 225, 80, 0.70),
    ]
)


def view_colour(view: int) -> str:
    """Return the colour of a view, the same in every picture."""
    return VIEW_COLOURS[view % len(VIEW_COLOURS)]


def heat(saliency: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the colours of saliency and how much they hide.

    Parameters
    ----------
    saliency : numpy.ndarray, float, [...]
        0 to 1.

    Returns
    -------
    colours : numpy.ndarray, float64, [..., 3]
        0 to 255.
    cover : numpy.ndarray, float64, [...]
        0 to 1.
    """
    levels = np.linspace(0.0, 1.0, len(_HEAT))
    channels = [np.interp(saliency, levels, column) for column in _HEAT.T]
    return np.stack(channels[:3], axis=-1), channels[3]


def describe_policy(policy: ViewPolicy, told: str) -> str:
    """Return where the saliency comes from (`told`) and what the windows are promised to keep."""
    promises: dict[str, list[str]] = {}
    for group, views in zip(policy.groups, policy.slices, strict=True):
        promise = _promise(group.crop)
        promises.setdefault(promise, []).append(name_views(views))
    everywhere = len(promises) == 1
    lines = [
        promise if everywhere else f"{' and '.join(names)}: {promise}"
        for promise, names in promises.items()
        if promise
    ]
    return "   ·   ".join(filter(None, (told, *lines)))


def describe_preset(name: str, policy: ViewPolicy) -> str:
    """Return what a policy does in a sentence: a preset's own, or what another promises."""
    from gca_dali.policy import presets
    from gca_dali.policy.view_policy import PRESETS

    if name in PRESETS:
        return (getattr(presets, name).__doc__ or "").strip().splitlines()[0]
    return describe_policy(policy, "")


def _promise(crop: Crop) -> str:
    """Return what a window of this crop is promised to keep."""
    if crop.tau:
        return f"each window keeps at least {100 * crop.tau:g} % of the saliency"
    focus = "around a shared attended point" if crop.focus else ""
    if crop.law != "relative":
        return f"windows {focus}" if focus else ""
    best = f"each window holds at least {100 * crop.rho:g} % of the most that its size could"
    return ", ".join(filter(None, (best, focus)))


def name_views(views: slice) -> str:
    """Return how the views of a group are called, counted from 1."""
    one = views.stop - views.start == 1
    return f"view {views.stop}" if one else f"views {views.start + 1} to {views.stop}"


def describe_image(sample: Sample) -> tuple[str, str]:
    """Return two lines about an image: its name; its size and depth."""
    height, width = sample.image.shape
    return PurePosixPath(sample.path).name, f"{width} x {height} pixels, {sample.bits} bits"


def describe_view(facts: ViewFacts) -> tuple[str, str]:
    """Return two lines about a view: what its window holds; what was done to it."""
    done = {
        f"turned {facts.degrees:+.0f}°": bool(facts.degrees),
        "flipped": facts.flipped,
        "grown": facts.grown,
        "gaze mask": facts.masked,
        "cutout": facts.cut,
    }
    held = f"keeps {describe_briefly(facts)} of the area"
    return held, ", ".join(words for words, happened in done.items() if happened)


def describe_briefly(facts: ViewFacts) -> str:
    """Return what a window holds, and in how much of the area."""
    return f"{100 * facts.retained:.0f} % in {100 * facts.area:.0f} %"


def explain(preview: Preview) -> str:
    """Return what the words under the views mean, those that occur."""
    facts = [facts for sample in preview.samples for facts in sample.facts]
    meanings = {
        "keeps: share of the saliency in the window": True,
        "grown: enlarged until it held enough": any(one.grown for one in facts),
        "ring: attended point that views share": any(one.focus for one in preview.samples),
        "gaze mask: dark where nobody looked": any(one.masked for one in facts),
        "cutout: hides little saliency": any(one.cut for one in facts),
    }
    return "   ·   ".join(words for words, occurs in meanings.items() if occurs)
