"""A saliency source → the map of each row, as a store keeps it.

Enters: a source as the loader takes it. Leaves: `StoredMaps`, with the digest by which a resumed
run knows them again. Next: `sample` and `finish`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gca_dali.common.machine import Patience, describe
from gca_dali.gaze.table import MAP_SHAPE, SaliencyTable
from gca_dali.image.claims import UnreadableImageError
from gca_dali.steps.saliency import SaliencySource, find_predictor, load_saliency

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.gaze.predicted import PredictedTable


@dataclass(frozen=True, eq=False)
class StoredMaps:
    """Maps of all rows.

    Attributes
    ----------
    table : SaliencyTable
    absent : dict of int to str
        Rows that have no map, because nothing reads their images, and why.
    told : str
        Where the maps come from.
    """

    table: SaliencyTable
    absent: dict[int, str]
    told: str

    def of(self, row: int) -> np.ndarray:
        """Return the map of a row, uint8, [64, 64]; zeros where there is none."""
        if row in self.absent:
            return np.zeros(MAP_SHAPE, np.uint8)
        return self.table.take(np.array([row]))[0]

    def digest(self, num_rows: int) -> str:
        """Give the BLAKE2b-160 of the maps of all rows, in hex."""
        digest = hashlib.blake2b(digest_size=20)
        for row in range(num_rows):
            digest.update(self.of(row).tobytes())
        return digest.hexdigest()


def collect_maps(source: SaliencySource, manifest: Manifest, told: str = "") -> StoredMaps | None:
    """Bring the maps of a source together; a predictor makes those that are missing now.

    Parameters
    ----------
    source : SaliencySource
        None for a store without maps.
    manifest : Manifest
    told : str
        Where they come from, for whoever opens the store.

    Returns
    -------
    StoredMaps or None
    """
    if source is None:
        return None
    predictor = find_predictor(source)
    if predictor is None:
        return StoredMaps(load_saliency(source, manifest), {}, told)
    from gca_dali.prepare.fill import fill_table

    table = fill_table(predictor, manifest).table
    return StoredMaps(table, _predict_rest(table, manifest), told)


def _predict_rest(table: PredictedTable, manifest: Manifest) -> dict[int, str]:
    """Predict from a worker's pixels where DALI refuses a file; say why what is left has no map."""
    absent, patience = {}, Patience()
    for row in table.missing(np.arange(len(manifest))).tolist():
        try:
            image = patience.call(lambda row=row: manifest.read(row), manifest.file_of(row))
        except (UnreadableImageError, OSError) as error:
            absent[row] = getattr(error, "reason", None) or describe(error)
        else:
            table.take(np.array([row]), [image])
    return absent
