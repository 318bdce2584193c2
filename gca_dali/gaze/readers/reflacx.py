"""REFLACX: fixations of five radiologists on 2,616 chest X-rays (Bigolin Lanfredi et al. 2022).

Enters: the folder `main_data` or one `fixations.csv`. Leaves: `Fixations` with pixels per degree.
Next: `matching`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gca_dali.gaze.fixations import Fixations, build_fixations
from gca_dali.gaze.tables import Table, read_table

_SHOWN = tuple(f"{a}{b}_shown_from_image" for b in ("min", "max") for a in ("x", "y"))
_ANGLE = tuple(f"angular_resolution_{a}_pixels_per_degree" for a in ("y", "x"))
_TIME = ("timestamp_start_fixation", "timestamp_end_fixation")
_USED = (
    *_TIME,
    *("x_position", "y_position", "image"),
    *_SHOWN,
    *_ANGLE,
)


def read_reflacx(path: str | Path) -> Fixations:
    """Read REFLACX (Bigolin Lanfredi et al. 2022): its `main_data` folder or one `fixations.csv`.

    Positions are image pixels; one that lies outside the part of the image then shown counts as off
    the image. In a folder the metadata tables name the image (`dicom_id`) of each reading, and
    readings that the authors discarded are counted, not read. In a single file the image is the
    column `image` or else the folder's name.

    Raises
    ------
    FileNotFoundError
        Where a folder holds no `metadata_phase_*.csv`, or a reading that it names is missing.
    ValueError
        For missing columns or wrong units.
    """
    path = Path(path)
    if not path.is_dir():
        reading = path.parent.name
        return _join_readings([(reading, reading, read_table(path))], (), 0, str(path))
    sheets = sorted(path.glob("metadata_phase_*.csv"))
    if not sheets:
        raise FileNotFoundError(
            f"{path} must hold metadata_phase_*.csv, found none. Give the folder main_data."
        )
    readings, shown, num_discarded = [], [], 0
    for sheet in map(read_table, sheets):
        sheet.require("id", "dicom_id")
        discarded = sheet.columns.get("eye_tracking_data_discarded", [""] * len(sheet))
        for reading, name, drop in zip(
            sheet.text("id"), sheet.text("dicom_id"), discarded, strict=True
        ):
            if drop.strip().lower() == "true":
                num_discarded += 1
                continue
            shown.append(str(name))
            table = read_table(path / str(reading) / "fixations.csv")
            readings.append((str(reading), str(name), table))
    return _join_readings(readings, tuple(shown), num_discarded, str(path))


def _join_readings(
    readings: list[tuple[str, str, Table]], shown: tuple[str, ...], num_discarded: int, source: str
) -> Fixations:
    """Put the readings of REFLACX into one table of fixations."""
    parts: dict[str, list[np.ndarray]] = {}
    unused: dict[str, None] = {}
    for reading, name, table in readings:
        columns = _read_reading(reading, name, table)
        for key, values in columns.items():
            parts.setdefault(key, []).append(values)
        unused.update(dict.fromkeys(table.unused(*_USED)))
    joined = {key: np.concatenate(values) for key, values in parts.items()} or {
        key: np.zeros(0) for key in ("image", "y_px", "x_px", "duration_seconds")
    }
    return build_fixations(
        joined,
        source=source,
        images=shown,
        num_discarded=num_discarded,
        unused_columns=tuple(unused),
    )


def _read_reading(reading: str, name: str, table: Table) -> dict[str, np.ndarray]:
    """Return the columns of one reading."""
    table.require(*_TIME, "x_position", "y_position")
    x_px, y_px = table.numbers("x_position"), table.numbers("y_position")
    off = np.zeros(len(table), bool)
    if set(_SHOWN) <= set(table.columns):
        x0, y0, x1, y1 = (table.numbers(column) for column in _SHOWN)
        off = (x_px < x0) | (x_px > x1) | (y_px < y0) | (y_px > y1)
    angle = np.full((len(table), 2), np.nan)
    if set(_ANGLE) <= set(table.columns):
        angle = np.stack([table.numbers(column) for column in _ANGLE], axis=1)
    image = table.text("image") if "image" in table.columns else np.full(len(table), name)
    return {
        "image": image,
        "recording": np.full(len(table), reading),
        "y_px": y_px,
        "x_px": x_px,
        "duration_seconds": table.numbers(_TIME[1]) - table.numbers(_TIME[0]),
        "off_image": off,
        "pixels_per_degree": angle,
    }
