"""Simulated readers: where a radiologist would look, as documented rules.

Enters: lesion boxes, or a knee X-ray. Leaves: intended fixations [F, 3] of one reading (y, x in
pixels, seconds). Nobody looked: whatever comes of it says "simulated". Next: `tracker`.
"""

from __future__ import annotations

import numpy as np

from gca_dali.gaze.knee_anatomy import KneeAnatomy

SEEN = 0.92
"""Probability that a lesion is looked at; readers miss some."""


def read_boxes(
    lesions: np.ndarray,
    others: np.ndarray,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> np.ndarray:
    """Search an image and dwell on its lesions.

    6 to 11 short fixations sweep the inner 80 % of the image from left to right. Each lesion is
    seen with probability `SEEN` and then gets 3 to 5 fixations about its centre (standard deviation
    a quarter of its side, at least 1 % of the image), lognormal with median 0.4 s. Other boxes
    (fillings, implants) get one glance each with probability 0.25.

    Parameters
    ----------
    lesions, others : numpy.ndarray, float, [L, 4] and [M, 4]
        y0, x0, height, width in pixels.
    size : tuple of int
        Height and width of the image in pixels.
    rng : numpy.random.Generator
        Advanced.

    Returns
    -------
    numpy.ndarray, float64, [F, 3]
    """
    num_search = int(rng.integers(6, 12))
    across = (np.arange(num_search) + rng.uniform(0, 1, num_search)) / num_search
    search = np.stack([rng.uniform(0.1, 0.9, num_search), 0.1 + 0.8 * across], axis=1) * size
    parts = [_with_seconds(search, 0.2, rng)]
    for box in np.asarray(lesions, np.float64).reshape(-1, 4):
        if rng.uniform() < SEEN:
            parts.append(
                _with_seconds(_about_box(box, int(rng.integers(3, 6)), size, rng), 0.4, rng)
            )
    for box in np.asarray(others, np.float64).reshape(-1, 4):
        if rng.uniform() < 0.25:
            parts.append(_with_seconds(_about_box(box, 1, size, rng), 0.2, rng))
    return _inside(np.concatenate(parts), size)


def read_knee(anatomy: KneeAnatomy, rng: np.random.Generator) -> np.ndarray:
    """Grade a knee: joint space, margins, spines.

    18 to 31 fixations. Where each goes depends on the image alone, through its `KneeAnatomy`:

    - 60 % along the joint space. The compartment is drawn in proportion to 1 / gap, so the narrower
      one gets more; the place in it by a Beta(2, 2) from margin to notch; the height varies by half
      a gap.
    - 24 % at the four margins (femoral and tibial, left and right), where osteophytes grow: 3 to
      9 % of the image's height from the joint line.
    - 8 % at the tibial spines, 8 % anywhere near the joint.

    Durations are lognormal with median 0.28 s.

    Parameters
    ----------
    anatomy : KneeAnatomy
        Of the image that is read.
    rng : numpy.random.Generator
        Advanced.

    Returns
    -------
    numpy.ndarray, float64, [F, 3]
    """
    height, width = anatomy.size
    left, right = anatomy.margin_x_px
    span, middle = right - left, (left + right) / 2
    openness = np.array(anatomy.gap_px)
    side_share = (1 / openness) / (1 / openness).sum()
    num = int(rng.integers(18, 32))
    target = rng.choice(4, size=num, p=[0.60, 0.24, 0.08, 0.08])
    on_left = rng.uniform(size=num) < np.where(target == 0, side_share[0], 0.5)
    inward = rng.beta(2, 2, num) * 0.40 * span
    at_margin = np.abs(rng.normal(0, 0.03 * span, num))
    from_margin = np.where(target == 0, inward, at_margin)
    x = np.where(on_left, left + from_margin, right - from_margin)
    x = np.where(target == 2, rng.normal(middle, 0.05 * span, num), x)
    x = np.where(target == 3, rng.uniform(left, right, num), x)
    gap = np.where(on_left, *openness)
    femoral = np.where(rng.uniform(size=num) < 0.5, -1.0, 1.0)
    away = [
        rng.normal(0, 0.5, num) * gap,
        femoral * rng.uniform(0.03, 0.09, num) * height,
        rng.normal(0.03, 0.02, num) * height,
        rng.normal(0, 0.12, num) * height,
    ]
    y = anatomy.line_at(x) + np.choose(target, away)
    return _inside(_with_seconds(np.stack([y, x], axis=1), 0.28, rng), (height, width))


def _about_box(
    box: np.ndarray, num: int, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """Draw fixations about the centre of a box, float64, [num, 2]."""
    spread = np.maximum(box[2:] / 4, 0.01 * max(size))
    return rng.normal(box[:2] + box[2:] / 2, spread, (num, 2))


def _with_seconds(position: np.ndarray, median: float, rng: np.random.Generator) -> np.ndarray:
    """Add lognormal durations (sigma 0.45) to positions, float64, [F, 3]."""
    seconds = rng.lognormal(np.log(median), 0.45, len(position))
    return np.column_stack([position, seconds])


def _inside(intended: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Keep what the reader aims at on the image."""
    intended[:, :2] = np.clip(intended[:, :2], 0.5, np.subtract(size, 0.5))
    return intended
