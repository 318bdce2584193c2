"""Simulated gaze on a phantom.

Boxes of lesions and anatomical landmarks enter, fixations leave; ``gca_dali.gaze.maps`` makes
maps of them. This is a model of a reader: everything shown from it says "simulated".
"""

from __future__ import annotations

import numpy as np

__all__ = ["simulate_gaze"]


def simulate_gaze(
    rng: np.random.Generator,
    shape: tuple[int, int],
    boxes: np.ndarray,
    landmarks: np.ndarray,
) -> np.ndarray:
    """Read an image: sweep the anatomy, dwell on the lesions, stray once or twice.

    Lesions get 70 to 90 % of the time. Without lesions the landmarks get it.

    Parameters
    ----------
    rng : numpy.random.Generator
        Advanced.
    shape : (int, int)
        Height and width of the image in pixels.
    boxes : numpy.ndarray, float32, [L, 4]
        y0, x0, height, width in pixels.
    landmarks : numpy.ndarray, float, [M, 2]
        y, x in pixels, in the order of the sweep.

    Returns
    -------
    numpy.ndarray, float32, [F, 3]
        y, x in pixels, duration in seconds, in order of time.
    """
    side_px = min(shape)
    dwells = [
        (box[:2] + box[2:] * np.clip(rng.normal(0.5, 0.17, (rng.integers(3, 6), 2)), 0.02, 0.98))
        for box in boxes.astype(np.float64)
    ]
    sweep = landmarks + rng.normal(0.0, 0.018 * side_px, landmarks.shape)
    strays = rng.uniform(0.05, 0.95, (rng.integers(1, 3), 2)) * shape
    rest = np.concatenate([sweep, strays])
    rest_seconds = rng.lognormal(np.log(0.24), 0.35, len(rest))
    # A stray is a glance.
    rest_seconds[len(sweep) :] *= 0.5
    if not dwells:
        fixations = np.column_stack([rest, rest_seconds])
    else:
        on_lesions = np.concatenate(dwells)
        seconds = rng.lognormal(np.log(0.42), 0.35, len(on_lesions))
        share = rng.uniform(0.7, 0.9)
        rest_seconds *= seconds.sum() * (1 - share) / share / rest_seconds.sum()
        first = len(landmarks) // 2
        fixations = np.concatenate(
            [
                np.column_stack([rest, rest_seconds])[:first],
                np.column_stack([on_lesions, seconds]),
                np.column_stack([rest, rest_seconds])[first:],
            ]
        )
    fixations[:, :2] = np.clip(fixations[:, :2], 0.5, np.array(shape) - 0.5)
    return fixations.astype(np.float32)
