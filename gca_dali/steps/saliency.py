"""Sample index → saliency map, from a table.

Enters: a source of maps (`SaliencySource`). Leaves: `SaliencyTable`, quantised maps of one size
addressed by sample index; a predictor gives one that fills itself (`predicted`). Next: `windows`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np

from gca_dali.gaze.table import (
    MAP_SHAPE,
    SaliencyTable,
    centre_map,
    check_map,
    mean_map,
    quantise_maps,
)

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.gaze.predictor import GazePredictor


SaliencySource = Union[
    str, Path, np.ndarray, Callable[[Path], np.ndarray], "GazePredictor", "SaliencyTable", None
]


def load_saliency(source: SaliencySource, manifest: Manifest, keep: bool = True) -> SaliencyTable:
    """Build the table of a manifest.

    Parameters
    ----------
    source : SaliencySource
        None (no saliency); "stored" (the maps of a store); "centre" (a Gaussian prior); a folder of
        maps; "mean:FOLDER" (the mean of the maps of a folder, for all images); float or uint8
        [N, h, w]; a callable that is given the absolute path of an image (`pathlib.Path`) and
        returns the map of the whole image: float, [h, w] of any size, finite, not negative; a
        predictor: its object, its `.safetensors` file or "knee", the bundled one; or a table, which
        is returned.
    manifest : Manifest
    keep : bool
        Whether predicted maps are kept in the cache folder; otherwise they end with the process.

    Returns
    -------
    SaliencyTable

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If an image has no map, or a map holds NaN, infinities or negative values, or has no two
        dimensions.
    """
    if isinstance(source, SaliencyTable):
        return source
    predictor = find_predictor(source)
    if predictor is not None:
        from gca_dali.gaze.predicted import PredictedTable

        return PredictedTable.open(predictor, manifest, keep)
    if isinstance(source, str) and source == "stored":
        return stored_table(manifest)
    same_for_all = np.zeros(len(manifest), np.int64)
    if source is None:
        return SaliencyTable(np.zeros((1, *MAP_SHAPE), np.uint8), same_for_all)
    if isinstance(source, str) and source == "centre":
        return SaliencyTable(quantise_maps([centre_map()]), same_for_all)
    if isinstance(source, str) and source == "mean":
        raise ValueError(
            "saliency 'mean' must say which maps it is the mean of, got none. "
            "Use 'mean:FOLDER' with a folder of maps."
        )
    if isinstance(source, str) and source.startswith("mean:"):
        maps = maps_of_folder(Path(source.removeprefix("mean:")), manifest)
        return SaliencyTable(mean_map(maps)[None], same_for_all)
    if isinstance(source, np.ndarray):
        maps = maps_of_array(source, manifest)
    elif callable(source):
        pairs = zip(manifest.files, manifest.path, strict=True)
        maps = quantise_maps(check_map(source(Path(file)), str(path)) for file, path in pairs)
    elif isinstance(source, (str, Path)):
        maps = maps_of_folder(Path(source), manifest)
    else:
        raise TypeError(
            "saliency must be None, 'centre', a folder of maps, 'mean:FOLDER', a predictor, an "
            f"array or a callable, got {type(source).__name__}."
        )
    return SaliencyTable(maps, np.arange(len(manifest)))


def stored_table(manifest: Manifest) -> SaliencyTable:
    """Return the maps that lie in the store of a manifest.

    Raises
    ------
    ValueError
        If the manifest is of no store, or the store has no maps.
    """
    from gca_dali.store.open import load_maps

    if manifest.places is None:
        raise ValueError(
            "saliency 'stored' must come with the manifest of a store, got one of files. Prepare a "
            "store with --saliency, or name another source."
        )
    return SaliencyTable(load_maps(manifest.places, MAP_SHAPE), manifest.places.row)


def find_predictor(source: SaliencySource) -> GazePredictor | None:
    """Return the predictor that a source is or names, or None if it is another kind of source.

    Parameters
    ----------
    source : SaliencySource

    Raises
    ------
    FileNotFoundError, ValueError
        If it names a predictor that does not exist or cannot be read.
    """
    if source is None or isinstance(source, np.ndarray) or source == "centre":
        return None
    from gca_dali.gaze.predictor import BUNDLED, GazePredictor

    if isinstance(source, GazePredictor):
        return source
    if isinstance(source, (str, Path)) and (
        source in BUNDLED or str(source).endswith(".safetensors")
    ):
        return GazePredictor.load(source)
    return None


def maps_of_array(maps: np.ndarray, manifest: Manifest) -> np.ndarray:
    """Return quantised maps of an array with one map per row of the manifest."""
    if maps.ndim != 3 or len(maps) != len(manifest):
        raise ValueError(
            f"saliency must have the shape [{len(manifest)}, h, w], got {list(maps.shape)}. "
            "Give one map per row of the manifest."
        )
    return quantise_maps(check_map(m, f"saliency[{i}]") for i, m in enumerate(maps))


def maps_of_folder(folder: Path, manifest: Manifest) -> np.ndarray:
    """Return quantised maps of a folder, matched to the manifest's paths."""
    from gca_dali.gaze.map_folder import MapFolder

    maps = MapFolder.open(folder)
    missing = [path for path in manifest.path.tolist() if path not in maps]
    if missing:
        raise ValueError(
            f"saliency must have a map for each image, got none for {len(missing)} of "
            f"{len(manifest)}, the first of them {missing[0]}, in {folder}. Fit a predictor on "
            "those that are there ('gca-dali gaze fit'): it gives every image one."
        )
    return quantise_maps(check_map(maps.load(path), path) for path in manifest.path.tolist())
