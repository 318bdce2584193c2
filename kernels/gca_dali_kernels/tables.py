"""Integer tables that laws are drawn by: aspects, rotations, quantiles of the Beta law.

Enters: ranges of a law. Leaves: int64 with 16 fractional bits, so that CPU and GPU read the same
numbers. Next: `law` keeps them beside its records.
"""

from __future__ import annotations

import math

import numpy as np

NUM_STEPS = 1024


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
