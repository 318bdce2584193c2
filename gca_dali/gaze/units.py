"""Units of a recording: seconds and image pixels, and nothing else.

Enters: numbers of a file. Leaves: nothing, or a `ValueError` that tells which unit they look like.
Used by `fixations` and the readers.
"""

from __future__ import annotations

import numpy as np

MAX_MEDIAN_SECONDS = 10.0
"""A fixation lasts 0.1 to 1 s; a median above this can only be milliseconds."""
MAX_SECONDS = 60.0
"""Nobody holds one point for a minute; a single such row betrays a file of mixed units."""
MIN_MEDIAN_SECONDS = 5e-4
"""Half a sample of the fastest tracker of the published sets (1000 Hz)."""


def check_durations(seconds: np.ndarray, source: str) -> None:
    """Refuse durations that cannot be seconds.

    Parameters
    ----------
    seconds : numpy.ndarray, float64, [N]
        Durations of the sound rows; an empty array passes.
    source : str
        Name of the file, for the message.

    Raises
    ------
    ValueError
        Where the median or the maximum is that of milliseconds, or the median is shorter than any
        tracker's sample.
    """
    if len(seconds) == 0:
        return
    median, longest = float(np.median(seconds)), float(np.max(seconds))
    if median > MAX_MEDIAN_SECONDS or longest > MAX_SECONDS:
        raise ValueError(
            f"durations in {source} must be seconds, got median {median:g} and maximum "
            f"{longest:g}, which look like milliseconds. Divide them by 1000."
        )
    if median < MIN_MEDIAN_SECONDS:
        raise ValueError(
            f"durations in {source} must be seconds, got median {median:g}, shorter than one "
            f"sample at 1000 Hz. Convert them to seconds."
        )


def check_positions(x_px: np.ndarray, y_px: np.ndarray, source: str) -> None:
    """Refuse positions that all lie between 0 and 1: shares of the image, not pixels.

    Parameters
    ----------
    x_px, y_px : numpy.ndarray, float64, [N]
        Positions; NaN is left out, and fewer than 8 numbers pass.
    source : str
        Name of the file, for the message.

    Raises
    ------
    ValueError
        Where every number lies in [0, 1] and one at least is no integer.
    """
    values = np.append(x_px, y_px)
    values = values[np.isfinite(values)]
    if len(values) >= 8 and values.min() >= 0 and values.max() <= 1 and np.any(values % 1):
        raise ValueError(
            f"x and y in {source} must be image pixels, got values between 0 and 1 only, which "
            f"look like shares. Multiply them by the image's width and height."
        )
