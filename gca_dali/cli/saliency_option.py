"""``--saliency`` and ``--boxes`` → a saliency source, the same way for every command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.gaze.boxes import ImageBoxes
    from gca_dali.steps.saliency import SaliencySource


@dataclass(frozen=True)
class ChosenSaliency:
    """A saliency source and what a person is told about it.

    Parameters
    ----------
    source : SaliencySource
        For `GCALoader`.
    told : str
        Where the maps come from; says "simulated gaze" where nobody looked.
    """

    source: SaliencySource
    told: str


def choose_saliency(
    saliency: str, boxes: list[ImageBoxes] | None, manifest: Manifest
) -> ChosenSaliency:
    """Turn the option into a source.

    Parameters
    ----------
    saliency : str
        "none", "stored" (in a store), "centre", "boxes", "mean" (of the maps of the boxes),
        "mean:FOLDER", a folder of maps, a predictor's `.safetensors` file, or "knee", the bundled
        predictor.
    boxes : list of ImageBoxes or None
        From ``--boxes``.
    manifest : Manifest

    Returns
    -------
    ChosenSaliency

    Raises
    ------
    FileNotFoundError
        If it names no folder and no predictor.
    ValueError
        If boxes are asked for and there are none.
    """
    if saliency == "none":
        return ChosenSaliency(None, "no saliency")
    if saliency == "stored":
        # Without a store `load_saliency` refuses it.
        told = "" if manifest.places is None else manifest.places.store.maps_told
        return ChosenSaliency("stored", told)
    if saliency == "centre":
        return ChosenSaliency("centre", "centre prior")
    if saliency in ("boxes", "mean"):
        return _from_boxes(saliency, boxes, manifest)
    from gca_dali.gaze.map_folder import MapFolder
    from gca_dali.steps.saliency import find_predictor

    predictor = find_predictor(saliency)
    if predictor is not None:
        kind = "simulated gaze" if predictor.facts.simulated else "recorded gaze"
        return ChosenSaliency(predictor, f"{kind}, maps predicted by {saliency}")
    folder = Path(saliency.removeprefix("mean:"))
    if not folder.is_dir():
        raise FileNotFoundError(
            "saliency must be none, centre, mean, boxes, stored, knee, a predictor file or an "
            f"existing folder of maps, got {saliency}. Check the path."
        )
    kind = "simulated gaze" if MapFolder.open(folder).simulated else "recorded gaze"
    if saliency.startswith("mean:"):
        return ChosenSaliency(saliency, f"{kind}, mean map of {folder}")
    return ChosenSaliency(folder, f"{kind}, maps of {folder}")


def _from_boxes(
    saliency: str, boxes: list[ImageBoxes] | None, manifest: Manifest
) -> ChosenSaliency:
    from gca_dali.gaze.box_maps import SIGMA_SHARE, box_maps
    from gca_dali.gaze.table import mean_map
    from gca_dali.steps.saliency import maps_of_array

    if boxes is None:
        raise ValueError(
            f"--saliency {saliency} must come with --boxes CSV, got none. Name the CSV, or use "
            "mean:FOLDER for the mean of a folder of maps."
        )
    maps = box_maps(manifest, boxes)
    if saliency == "boxes":
        told = (
            f"simulated gaze, Gaussians of {100 * SIGMA_SHARE:g} % of the shorter side on the boxes"
        )
        return ChosenSaliency(maps, told)
    seen = maps[maps.any(axis=(1, 2))]
    if len(seen) == 0:
        raise ValueError("boxes must mark at least one lesion for their mean map, got none.")
    mean = mean_map(maps_of_array(seen, manifest.take(np.arange(len(seen)))))
    return ChosenSaliency(
        np.broadcast_to(mean, maps.shape), "simulated gaze, mean map of the boxes"
    )
