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
MIN_NUMBERS = 4
"""Two points below one pixel are no accident."""
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
    """Refuse positions that are shares of the image instead of pixels.

    Parameters
    ----------
    x_px, y_px : numpy.ndarray, float64, [N]
        Positions; NaN is left out.
    source : str
        Name of the file, for the message.

    Raises
    ------
    ValueError
        Where `are_shares` says so.
    """
    if are_shares(x_px, y_px):
        raise ValueError(
            f"x and y in {source} must be image pixels, got values between 0 and 1 for the "
            f"most part, which look like shares. Say so by --positions shares "
            f"(positions='shares') in a generic recording, or multiply them by the image's width "
            f"and height."
        )


def are_shares(x: np.ndarray, y: np.ndarray) -> bool:
    """Tell whether positions are shares of the image: most lie strictly between 0 and 1.

    Trackers report glances beside the image too, at −0.1 or 1.02, and park lost ones at 0, which
    counts for neither. In pixels, hardly a number is below 1.

    Parameters
    ----------
    x, y : numpy.ndarray, float64, [N]
        NaN is left out; of fewer than `MIN_NUMBERS` nothing is said.
    """
    values = np.append(x, y)
    values = values[np.isfinite(values) & (values != 0)]
    return len(values) >= MIN_NUMBERS and bool(((values > 0) & (values < 1)).mean() > 0.5)
