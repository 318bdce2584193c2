"""Sources of maps, opened once.

Enters: what a user names. Leaves: a table of maps by sample index. Next: `maps`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gca_dali.gaze.predicted import PredictedTable
from gca_dali.gaze.table import SaliencyTable, centre_map, check_map, quantise_maps
from gca_dali.steps.saliency import find_predictor, load_saliency

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.gaze.predictor import GazePredictor
    from gca_dali.steps.saliency import SaliencySource


class SameMap(SaliencyTable):
    """One map for every sample, however many there are."""

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Return the number of the one map for each of some samples, int64, [B]."""
        return np.zeros(len(index), np.int64)


def check_has_map(table: SaliencyTable, index: np.ndarray) -> None:
    """Raise ValueError if an index lies outside of a table."""
    num_rows = len(table.row)
    if not isinstance(table, SameMap) and (index >= num_rows).any():
        raise ValueError(
            f"keys must be of samples with a map, 0 to {num_rows - 1}, got "
            f"{index[index >= num_rows][0]}. The index is the place of the sample among the maps."
        )


def open_table(source: SaliencySource, manifest: Manifest | None = None) -> SaliencyTable:
    """Return the table of a source of maps that needs no images.

    Parameters
    ----------
    source : SaliencySource
        A table, an array [N, h, w] or "centre"; with a manifest also a folder of maps,
        "mean:FOLDER", "stored" (the maps of its store) or a callable, as `load_saliency` takes
        them.
    manifest : Manifest, optional
        Whose rows the keys count.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    TypeError, ValueError
        If the source is none, or predicts, or needs the manifest and there is none.
    """
    if isinstance(source, SaliencyTable):
        return source
    if isinstance(source, str) and source == "centre":
        return SameMap(quantise_maps([centre_map()]), np.zeros(1, np.int64))
    if isinstance(source, np.ndarray):
        maps = quantise_maps(check_map(m, f"source[{i}]") for i, m in enumerate(source))
        return SaliencyTable(maps, np.arange(len(maps)))
    if source is None or find_predictor(source) is not None:
        raise TypeError(
            "source must be a table, an array, a folder of maps, 'mean:FOLDER', 'stored', "
            f"'centre' or a callable, got {type(source).__name__}. predict_saliency asks a "
            "predictor."
        )
    if manifest is None:
        raise ValueError(
            f"manifest must be given to find the maps of {source} by the images they are of, got "
            "None. Pass the Manifest whose rows the keys count."
        )
    return load_saliency(source, manifest)


def open_predicted(
    predictor: GazePredictor | PredictedTable, manifest: Manifest | None = None
) -> PredictedTable:
    """Return the table that a predictor fills.

    Raises
    ------
    TypeError, ValueError
        If it is no predictor, or there is no manifest.
    """
    if isinstance(predictor, PredictedTable):
        return predictor
    found = find_predictor(predictor)
    if found is None:
        raise TypeError(
            f"predictor must be a GazePredictor, got {type(predictor).__name__}. saliency takes "
            "maps that exist."
        )
    if manifest is None:
        raise ValueError(
            "manifest must be given to keep what is predicted, got None. Pass the Manifest whose "
            "rows the keys count."
        )
    return PredictedTable.open(found, manifest)
