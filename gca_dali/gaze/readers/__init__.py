"""Readers of recorded attention: MicEye, EGD-CXR, REFLACX and generic CSV.

Enters: the file (or folder) of a recording as its authors publish it. Leaves: `Fixations` in image
pixels and seconds. Next: `matching` gives them the images of a manifest.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from gca_dali.common.csv_table import DELIMITERS, read_text
from gca_dali.gaze.fixations import Fixations
from gca_dali.gaze.readers.egd_cxr import read_egd_cxr
from gca_dali.gaze.readers.generic import read_generic
from gca_dali.gaze.readers.miceye import MICEYE_RATE_HZ, read_miceye
from gca_dali.gaze.readers.reflacx import read_reflacx

__all__ = [
    "FORMATS",
    "detect_format",
    "read_egd_cxr",
    "read_fixations",
    "read_generic",
    "read_miceye",
    "read_reflacx",
]

_MAX_HEADER = 10_000  # characters; a line of samples may be longer than a cell of a CSV can be
FORMATS = ("auto", "miceye", "egd-cxr", "reflacx", "generic")


def read_fixations(
    path: str | Path,
    format: str = "auto",
    *,
    sample_rate_hz: float = MICEYE_RATE_HZ,
    master_sheet: str | Path | None = None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    positions: str = "pixels",
) -> Fixations:
    """Read a recording of any known format.

    Parameters
    ----------
    path : str or Path
        File; for REFLACX also the folder that holds `metadata_phase_*.csv`.
    format : str
        One of `FORMATS`; "auto" looks at the header.
    sample_rate_hz : float
        MicEye only: samples per second.
    master_sheet : str or Path, optional
        EGD-CXR only, see `read_egd_cxr`.
    sizes : mapping of str to (int, int), optional
        Height and width in pixels per image, for EGD-CXR and for shares; `ImageSizes` knows those
        of a manifest.
    positions : str
        Generic only: "pixels" or "shares", see `read_generic`.

    Raises
    ------
    ValueError
        For an unknown format, missing columns, wrong units.
    FileNotFoundError
        Where `path` does not exist.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}. Pick one.")
    found = detect_format(path) if format == "auto" else format
    if positions != "pixels" and found != "generic":
        raise ValueError(
            f"positions must be 'pixels' for a recording of {found}, got {positions!r}. Leave it "
            f"out: the format says what its positions are."
        )
    if found == "miceye":
        return read_miceye(path, sample_rate_hz=sample_rate_hz)
    if found == "egd-cxr":
        return read_egd_cxr(path, master_sheet=master_sheet, sizes=sizes)
    if found == "reflacx":
        return read_reflacx(path)
    return read_generic(path, positions=positions, sizes=sizes)


def detect_format(path: str | Path) -> str:
    """Tell the format of a recording from its first line.

    Raises
    ------
    ValueError
        Where the first line is that of no known format.
    FileNotFoundError
        Where `path` does not exist.
    """
    path = Path(path)
    if path.is_dir():
        return "reflacx"
    if not path.is_file():
        raise FileNotFoundError(f"recording must be an existing file, got {path}. Check the path.")
    line = next(filter(str.strip, read_text(path).splitlines()), "").strip()
    cells = (
        next(csv.reader([line[:_MAX_HEADER]], delimiter=sign, skipinitialspace=True))
        for sign in DELIMITERS
    )
    header = {name.strip() for names in cells for name in names}
    if "DICOM_ID" in header:
        return "egd-cxr"
    if "timestamp_start_fixation" in header:
        return "reflacx"
    if {"image", "x", "y"} <= header:
        return "generic"
    if line.count(";") >= 2 and "[" in line:
        return "miceye"
    raise ValueError(
        f"{path} must be a MicEye, EGD-CXR, REFLACX or generic recording, got a first line "
        f"{line[:60]!r}. Name its columns image, x, y, duration."
    )
