"""Compare rendered views with the reference, outside the band where thresholds fall either way.

Enters: a `ViewCase` and what a twin rendered. Leaves: the greatest difference of a pixel.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gca_dali_kernels.look import HARD_MASK, ViewLook
from gca_dali_kernels.reference.render_views import mask_factor, render_views, view_centres
from kernel_inputs import BAND, TOLERANCE, ViewCase


def assert_views_match(case: ViewCase, views: np.ndarray) -> None:
    """Fail if a pixel differs from the reference by more than the case's tolerance."""
    expected = render_views(*case.inputs)
    assert views.shape == expected.shape
    assert np.isfinite(views).all()
    certain = ~uncertain_pixels(case)
    # A band that exempts much would hide a fault.
    assert certain.mean() > 0.98
    deviations = np.array([look.deviation for look in case.looks])[None, :, None, None]
    differences = np.abs(views - expected) * deviations
    assert differences[certain].max(initial=0.0) <= TOLERANCE[case.tolerance]


def uncertain_pixels(case: ViewCase) -> np.ndarray:
    """Return which pixels lie in `BAND` of a threshold, bool, [B, V, height, width]."""
    plain = tuple(replace(look, solarize=0.0, noise=0.0, mask="none") for look in case.looks)
    uncut = replace(case, looks=plain)
    views = render_views(*uncut.inputs)
    uncertain = np.zeros(views.shape, bool)
    windows, turns, _ = case.plan
    for b, image in enumerate(case.images):
        for v, look in enumerate(case.looks):
            planned = case.num_before + v
            centres = centres_of(case, b, windows[b, planned], turns[b, planned])
            edges = np.stack([centres, np.array(image.shape) - centres])
            uncertain[b, v] = (np.abs(edges) < BAND).any(axis=(0, -1))
            if look.solarize:
                intensity = views[b, v] * look.deviation + look.mean
                uncertain[b, v] |= np.abs(intensity - 0.5) < BAND
            if look.record["mask"] == HARD_MASK:
                level = case.window.marks[b, 4]
                soft = mask_factor(case.maps[b], level, centres, image.shape, ViewLook(mask="soft"))
                uncertain[b, v] |= np.abs(soft - ((level - 0.5) / 255 + 0.1)) < BAND
    return uncertain


def centres_of(case: ViewCase, b: int, window: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return where the pixels of a view of image `b` lie in it, [height, width, 2]."""
    step, flip = (int(value) for value in turn)
    rotation = None if step < 0 else tuple(case.group.rotations_q16[step] / 2**16)
    shape = case.images[b].shape
    return view_centres(window, case.maps.shape[1:], shape, (rotation, flip), case.size)
