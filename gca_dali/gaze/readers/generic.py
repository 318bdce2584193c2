"""Generic CSV of fixations: image, x, y in image pixels and duration in seconds.

Enters: a CSV with those columns. Leaves: `Fixations`. Next: `matching`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gca_dali.gaze.fixations import Fixations, build_fixations
from gca_dali.gaze.tables import read_table


def read_generic(path: str | Path) -> Fixations:
    """Read a CSV with the columns image, x, y (image pixels) and duration (seconds).

    Optional columns: `valid` (0 or 1), `recording` (a name per reading) and `simulated` (0 or 1,
    as `Fixations.save` writes it). Further columns are reported and not used.

    Raises
    ------
    ValueError
        For missing columns, wrong units, positions that are shares instead of pixels, or a file
        that mixes simulated and recorded rows.
    """
    table = read_table(path)
    table.require("image", "x", "y", "duration")
    columns = {
        "image": table.text("image"),
        "x_px": table.numbers("x"),
        "y_px": table.numbers("y"),
        "duration_seconds": table.numbers("duration"),
    }
    if "valid" in table.columns:
        columns["flag"] = table.numbers("valid") == 1
    if "recording" in table.columns:
        columns["recording"] = table.text("recording")
    simulated = np.zeros(1, bool)
    if "simulated" in table.columns and len(table):
        simulated = table.numbers("simulated") == 1
        if simulated.any() and not simulated.all():
            raise ValueError(
                f"simulated in {table.source} must be the same in every row, got both. Split it "
                f"into one file of recorded and one of simulated rows."
            )
    used = ("image", "x", "y", "duration", "valid", "recording", "simulated")
    return build_fixations(
        columns,
        source=table.source,
        simulated=bool(simulated.all()),
        unused_columns=table.unused(*used),
    )
