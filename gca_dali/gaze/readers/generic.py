"""Generic CSV of fixations: image, x, y in pixels or shares, and duration in seconds.

Enters: a CSV with those columns. Leaves: `Fixations`. Next: `matching`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gca_dali.common.checks import check_choice
from gca_dali.gaze.fixations import Fixations, build_fixations
from gca_dali.gaze.tables import read_table

POSITIONS = ("pixels", "shares")
MAX_SHARE = 2.0
"""A glance can leave the image by its own width; most cannot."""


def read_generic(
    path: str | Path,
    *,
    positions: str = "pixels",
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> Fixations:
    """Read a CSV with the columns image, x, y and duration (seconds).

    Optional columns: `valid` (0 or 1), `recording` (a name per reading) and `simulated` (0 or 1,
    as `Fixations.save` writes it). Further columns are reported and not used.

    Parameters
    ----------
    path : str or Path
        The CSV.
    positions : str
        What x and y are: "pixels" of the image, or "shares" of its width and height.
    sizes : mapping of str to (int, int), optional
        Height and width in pixels per image; needed for shares. Rows of other images are invalid.

    Raises
    ------
    ValueError
        For missing columns, wrong units, positions that are not what `positions` says, or a file
        that mixes simulated and recorded rows.
    """
    check_choice("positions", positions, POSITIONS)
    table = read_table(path)
    table.require("image", "x", "y", "duration")
    columns = {
        "image": table.text("image"),
        "x_px": table.numbers("x"),
        "y_px": table.numbers("y"),
        "duration_seconds": table.numbers("duration"),
    }
    if positions == "shares":
        columns.update(_scale_shares(columns, sizes, table.source))
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


def _scale_shares(
    columns: Mapping[str, np.ndarray], sizes: Mapping[str, tuple[int, int]] | None, source: str
) -> dict[str, np.ndarray]:
    """Turn shares of an image into its pixels; NaN where its size is not known."""
    x, y = columns["x_px"], columns["y_px"]
    if sizes is None:
        raise ValueError(
            f"sizes must be given for positions='shares', got None for {source}. Pass the height "
            f"and width of each image."
        )
    values = np.append(x, y)
    beyond = np.abs(values[np.isfinite(values)]) > MAX_SHARE
    if np.count_nonzero(beyond) * 2 > len(beyond):
        raise ValueError(
            f"x and y in {source} must be shares of the image (0 to 1), got values up to "
            f"{np.nanmax(values):g}. Leave out --positions shares (positions='shares')."
        )
    unknown = (np.nan, np.nan)
    named = {name: sizes.get(name, unknown) for name in dict.fromkeys(columns["image"].tolist())}
    size = np.array([named[name] for name in columns["image"].tolist()], float).reshape(-1, 2)
    return {"y_px": y * size[:, 0], "x_px": x * size[:, 1]}
