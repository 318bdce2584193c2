"""A predictor's table, filled before it is needed.

Enters: a predictor and a manifest. Leaves: the table that a loader of both will open, with a map of
every image that can be read. The maps are made by a loader, so they are those that it would make.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gca_dali.common.progress import track
from gca_dali.data.index import Refused
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.predicted import MapMaker, PredictedTable
from gca_dali.loader import GCALoader
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.steps.order import Order

VIEW_PX = 8  # the views are thrown away


@dataclass(frozen=True)
class Filled:
    """A table and what was done to it.

    Attributes
    ----------
    table : PredictedTable
    num_predicted : int
        Maps that were not there before.
    refused : tuple of Refused
        Images that cannot be read, with reasons; they have no map.
    """

    table: PredictedTable
    num_predicted: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True, kw_only=True)
class _SomeRows(Order):
    """Some rows of a manifest alone, as they come."""

    rows: tuple[int, ...]

    def permutation(self, epoch: int) -> np.ndarray:
        """Return the rows, int64, [N]."""
        return np.array(self.rows, np.int64)


def fill_table(
    predictor: MapMaker, manifest: Manifest, batch_size: int = 32, device: str = "auto"
) -> Filled:
    """Predict the maps that are missing; may be stopped, and run by several processes at once.

    Parameters
    ----------
    predictor : GazePredictor
    manifest : Manifest
    batch_size : int
        Images decoded at once.
    device : str
        Of the loader.

    Returns
    -------
    Filled
    """
    table = PredictedTable.open(predictor, manifest)
    missing = table.missing(np.arange(len(manifest)))
    if len(missing) == 0:
        return Filled(table, 0, ())
    loader = GCALoader(
        manifest,
        ViewPolicy.gca(size=VIEW_PX, num_views=1),
        table,
        batch_size=batch_size,
        device=device,
        shuffle=False,
        drop_last=False,
    )
    # What has a map is not decoded again.
    loader.order = _SomeRows(
        len(missing), batch_size, shuffle=False, drop_last=False, rows=tuple(missing.tolist())
    )
    for _ in track(loader, len(loader), "predicting"):
        pass
    reasons = loader.quarantine.reasons
    refused = tuple(Refused(str(manifest.path[row]), reasons[row]) for row in sorted(reasons))
    return Filled(table, table.num_predicted, refused)


def open_filled(predictor: MapMaker, manifest: Manifest) -> PredictedTable:
    """Return the table of a manifest with all its maps.

    Parameters
    ----------
    predictor : GazePredictor
    manifest : Manifest

    Raises
    ------
    ValueError
        Where an image cannot be read.
    """
    filled = fill_table(predictor, manifest)
    if filled.refused:
        first = filled.refused[0]
        raise ValueError(
            f"images must be readable to predict their maps, got {len(filled.refused)} that are "
            f"not, the first of them {first.path} ({first.reason}). Select the others."
        )
    return filled.table
