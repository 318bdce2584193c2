"""EGD-CXR: fixations of one radiologist on 1,083 chest X-rays (Karargyris et al. 2021).

Enters: `fixations.csv` of the data set. Leaves: `Fixations` in image pixels. Next: `matching`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gca_dali.gaze.fixations import Fixations, build_fixations
from gca_dali.gaze.screen import ScreenPlacement
from gca_dali.gaze.tables import Table, read_table

EGD_SCREEN = (1080, 1920)
"""Height and width of the screen in the study, pixels."""


def read_egd_cxr(
    path: str | Path,
    *,
    master_sheet: str | Path | None = None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> Fixations:
    """Read `fixations.csv` of EGD-CXR (Karargyris et al. 2021).

    Positions are `X_ORIGINAL` and `Y_ORIGINAL` (image pixels; negative: outside). Where the file
    lacks them they are computed from `FPOGX` and `FPOGY` (shares of the 1920×1080 screen) with the
    paddings of the master sheet.

    Parameters
    ----------
    path : str or Path
        `fixations.csv`.
    master_sheet : str or Path, optional
        `master_sheet.csv`, for its columns `image_{top,bottom,left,right}_pad`.
    sizes : mapping of str to (int, int), optional
        Height and width in pixels per DICOM_ID; needed with `master_sheet`.

    Raises
    ------
    ValueError
        For missing columns or inputs, and where FPOGX is no share of the screen.
    """
    table = read_table(path)
    table.require("DICOM_ID", "FPOGD")
    image = table.text("DICOM_ID")
    used = ["DICOM_ID", "SESSION_ID", "FPOGD", "FPOGV"]
    columns = {"image": image, "duration_seconds": table.numbers("FPOGD")}
    if "FPOGV" in table.columns:
        columns["flag"] = table.numbers("FPOGV") == 1
    if "SESSION_ID" in table.columns:
        columns["recording"] = table.text("SESSION_ID")
    if "X_ORIGINAL" in table.columns:
        table.require("X_ORIGINAL", "Y_ORIGINAL")
        columns["x_px"], columns["y_px"] = table.numbers("X_ORIGINAL"), table.numbers("Y_ORIGINAL")
        used += ["X_ORIGINAL", "Y_ORIGINAL"]
    else:
        columns.update(_map_egd_screen(table, master_sheet, sizes or {}))
        used += ["FPOGX", "FPOGY"]
    return build_fixations(columns, source=table.source, unused_columns=table.unused(*used))


def _map_egd_screen(
    table: Table, master_sheet: str | Path | None, sizes: Mapping[str, tuple[int, int]]
) -> dict[str, np.ndarray]:
    """Compute image positions of EGD-CXR rows from screen shares and paddings."""
    table.require("FPOGX", "FPOGY")
    x_share, y_share = table.numbers("FPOGX"), table.numbers("FPOGY")
    if np.nanmedian(np.abs(np.append(x_share, y_share))) > 3:
        raise ValueError(
            f"FPOGX and FPOGY in {table.source} must be shares of the screen (about 0 to 1), got a "
            f"median of {np.nanmedian(x_share):g}. Divide them by the screen's size in pixels."
        )
    if master_sheet is None:
        raise ValueError(
            f"{table.source} must have X_ORIGINAL and Y_ORIGINAL, or come with a master sheet, got "
            f"neither. Give master_sheet.csv."
        )
    sheet = read_table(master_sheet)
    sides = [f"image_{side}_pad" for side in ("top", "bottom", "left", "right")]
    sheet.require("dicom_id", *sides)
    padding = dict(
        zip(
            sheet.text("dicom_id").tolist(),
            np.stack([sheet.numbers(side) for side in sides], axis=1).tolist(),
            strict=True,
        )
    )
    image = table.text("DICOM_ID")
    y_px, x_px = np.full(len(table), np.nan), np.full(len(table), np.nan)
    off = np.zeros(len(table), bool)
    for name in dict.fromkeys(image.tolist()):
        if name in padding and name in sizes:
            rows = image == name
            place = ScreenPlacement.from_padding(tuple(padding[name]), EGD_SCREEN, sizes[name])
            y_screen, x_screen = y_share[rows] * EGD_SCREEN[0], x_share[rows] * EGD_SCREEN[1]
            y_px[rows], x_px[rows], shown = place.to_image(y_screen, x_screen)
            off[rows] = ~shown
    return {"y_px": y_px, "x_px": x_px, "off_image": off}
