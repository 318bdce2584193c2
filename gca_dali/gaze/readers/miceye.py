"""MicEye logs: raw gaze samples, one line per reading.

Enters: a `.csv` separated by semicolons. Leaves: `Fixations`, one row per sample. Next: `matching`.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np

from gca_dali.common.csv_table import read_text
from gca_dali.gaze.fixations import Fixations, build_fixations

MICEYE_RATE_HZ = 90.0
"""Sampling rate of the Tobii 4C that MicEye records from."""


def read_miceye(path: str | Path, *, sample_rate_hz: float = MICEYE_RATE_HZ) -> Fixations:
    """Read a MicEye log: one line per reading, `image;class;[(x, y), …];[boxes];(keypoint)`.

    The points are raw samples in image pixels, so each lasts one sample. `None` or `nan` in place
    of a number or a point is an invalid sample.

    Raises
    ------
    ValueError
        Names the line that is not of this form, or a rate that is not positive.
    """
    if not sample_rate_hz > 0:
        raise ValueError(
            f"sample_rate_hz must be positive, got {sample_rate_hz}. Give the tracker's rate."
        )
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"recording must be an existing file, got {path}. Check the path.")
    image, recording, points, shown = [], [], [], []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        name, samples = _parse_miceye_line(line, f"{path} line {number}")
        shown.append(name)
        image += [name] * len(samples)
        recording += [f"line {number}"] * len(samples)
        points += samples
    position = np.array(points, np.float64).reshape(-1, 2)
    columns = {
        "image": np.array(image, dtype=str),
        "recording": np.array(recording, dtype=str),
        "x_px": position[:, 0],
        "y_px": position[:, 1],
        "duration_seconds": np.full(len(position), 1.0 / sample_rate_hz),
    }
    unused = ("class", "boxes", "keypoint")
    return build_fixations(columns, source=str(path), images=tuple(shown), unused_columns=unused)


def _parse_miceye_line(line: str, where: str) -> tuple[str, list[tuple[float, float]]]:
    """Return image name and samples (x, y) of one line; NaN marks an invalid sample."""
    fields = line.split(";")
    try:
        samples = ast.literal_eval(re.sub(r"\bnan\b", "None", fields[2].strip()))
        if not isinstance(samples, list):
            raise TypeError
        points = [
            (np.nan, np.nan) if s is None else (_number(s[0]), _number(s[1])) for s in samples
        ]
    except (IndexError, SyntaxError, TypeError, ValueError):
        raise ValueError(
            f"{where} must be image;class;[(x, y), …];[boxes];(keypoint), got {line[:60]!r}. "
            f"Correct or remove the line."
        ) from None
    return fields[0].strip(), points


def _number(value: object) -> float:
    """Return a coordinate as float; NaN for None."""
    return np.nan if value is None else float(value)  # type: ignore[arg-type]
