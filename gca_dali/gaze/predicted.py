"""Sample index → predicted map: looked up, or predicted once and written down.

Enters: a predictor and a manifest; per batch, indices and decoded images. Leaves: `PredictedTable`,
a `SaliencyTable` that fills itself. Next: `windows`.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gca_dali.common.machine import retried
from gca_dali.gaze.map_cache import MapCache, UnwritableFolderError
from gca_dali.gaze.table import SaliencyTable
from gca_dali_kernels.kept import cache_folder

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest

LOG = logging.getLogger("gca_dali")
# Part of the file's name: raised where the same image and predictor would give another map.
TABLE_VERSION = 1


class MapMaker(Protocol):
    """What a table needs of a `GazePredictor`."""

    fingerprint: str

    def make_maps(self, images: Sequence[Any]) -> np.ndarray:
        """Return the maps of images, uint8, [B, 64, 64]."""
        ...


@dataclass(frozen=True, eq=False)
class PredictedTable(SaliencyTable):
    """Maps of all samples that a predictor has seen, in a file that outlives the process.

    Attributes
    ----------
    maps, row : numpy.ndarray, uint8, [N, 64, 64], memory-mapped; int64, [N]
        As in `SaliencyTable`; maps that nobody asked for may be absent.
    predictor : MapMaker
    files : list of str
        Absolute path of each image.
    cache : MapCache
    """

    predictor: MapMaker
    files: list[str]
    cache: MapCache
    _found: np.ndarray = field(init=False)
    _call_sizes: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Begin with nothing looked up."""
        super().__post_init__()
        object.__setattr__(self, "_found", np.zeros(len(self.files), bool))

    @classmethod
    def open(cls, predictor: MapMaker, manifest: Manifest, keep: bool = True) -> PredictedTable:
        """Open the table of a predictor and a manifest, or begin it.

        The file is named after the fingerprints of both, so another predictor, other rows or files
        of another length never meet these maps.

        Parameters
        ----------
        predictor : MapMaker
        manifest : Manifest
        keep : bool
            False for a table that ends with the process.

        Raises
        ------
        FullDiskError
            If the cache folder has no room. One that cannot be written is told of, and the table
            ends with the process.
        """
        cache = None
        if keep:
            try:
                cache = MapCache.open(table_path(predictor, manifest), len(manifest))
            except UnwritableFolderError as error:
                _tell(f"maps are kept in memory, each run predicts them again: {error}")
        if cache is None:
            cache = MapCache.temporary(len(manifest))
        return cls(cache.maps, np.arange(len(manifest)), predictor, manifest.files, cache)

    @property
    def fingerprint(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the predictor: the maps follow from it and the images."""
        return self.predictor.fingerprint[:32]

    @property
    def num_predicted(self) -> int:
        """Images that this table has predicted, whatever it found in its file."""
        return sum(self._call_sizes)

    @property
    def num_calls(self) -> int:
        """Calls of the predictor."""
        return len(self._call_sizes)

    def missing(self, index: np.ndarray) -> np.ndarray:
        """Return those of some samples that have no map, or a stale one, each once, ascending."""
        rows = np.unique(index[~self._found[index]])
        if len(rows):
            found = self.cache.find(rows, self._stamps(rows))
            self._found[rows[found]] = True
            rows = rows[~found]
        return rows

    def take(self, index: np.ndarray, images: Sequence[Any] | None = None) -> np.ndarray:
        """Return the maps of some samples; those that are missing are predicted in one call.

        Parameters
        ----------
        index : numpy.ndarray, int64, [B]
        images : sequence of B arrays or tensors [H, W], optional
            The images as they are decoded, on any device; see `GazePredictor.make_maps`.

        Returns
        -------
        numpy.ndarray, uint8, [B, 64, 64]

        Raises
        ------
        ValueError
            If a map is missing and there are no images.
        """
        rows = self.missing(index)
        if len(rows):
            if images is None:
                raise ValueError(
                    f"maps must be predicted before they are taken without images, got none for "
                    f"{self.files[rows[0]]}. Fill the table with 'gca-dali gaze predict'."
                )
            stamps = self._stamps(rows)
            places = {sample: b for b, sample in enumerate(index.tolist())}
            maps = self.predictor.make_maps([images[places[row]] for row in rows.tolist()])
            self._call_sizes.append(len(rows))
            self.cache.add(rows, maps, stamps)
            self._found[rows] = True
        return self.maps[index]

    def _stamps(self, rows: np.ndarray) -> np.ndarray:
        """Return when each image was last changed, in ns, int64; 0 for what is no file."""
        return np.array([_changed_ns(self.files[row]) for row in rows.tolist()], np.int64)


@lru_cache
def _tell(text: str) -> None:
    """Say something once."""
    LOG.warning("%s", text)


def table_path(predictor: MapMaker, manifest: Manifest) -> Path:
    """Return the file of a table: named after the fingerprints of predictor and manifest.

    The images of a store are smaller than those that it was made from, with the same fingerprint;
    its checksums tell it from them and from other stores.
    """
    places = manifest.places
    store = "" if places is None else f"-store{zlib.crc32(places.checksum.tobytes()):08x}"
    name = f"{manifest.fingerprint}{store}-{predictor.fingerprint[:32]}-v{TABLE_VERSION}.npy"
    return cache_folder("saliency") / name


def _changed_ns(file: str) -> int:
    try:
        return retried(lambda: os.stat(file), file).st_mtime_ns
    except OSError:
        return 0
