"""The knees of a study: which are pre-trained on, and where a reader would look at them.

Enters: the manifest of the knees and a gaze predictor. Leaves: rows, and their gaze maps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.bulk import predict_maps
from gca_dali.gaze.predictor import GazePredictor
from gca_dali.ssl.splits import group_rows, hold_out
from gca_dali.steps.saliency import maps_of_folder

DRAW_SEED = 0


def draw_training_rows(manifest: Manifest, num_images: int) -> np.ndarray:
    """Return the rows of about so many training images, of whole patients; 0 for all of them."""
    train = np.flatnonzero(manifest.columns["split"] == "train")
    if not 0 < num_images < len(train):
        return train
    drawn = hold_out(group_rows(manifest)[train], num_images / len(train), DRAW_SEED)
    return train[drawn]


def make_gaze_maps(predictor: GazePredictor, rows: Manifest, work: Path) -> np.ndarray:
    """Return the predicted maps of the rows, uint8, [N, 64, 64]; they are made once per folder.

    Raises
    ------
    RuntimeError
        If an image could not be read.
    """
    folder = work / f"maps-{predictor.fingerprint[:12]}-{rows.fingerprint[:12]}"
    if not (folder / "index.json").is_file():
        _, refused = predict_maps(predictor, rows, folder)
        if refused:
            raise RuntimeError(
                f"every knee must be readable, got {len(refused)} that are not, the first "
                f"{refused[0].path}: {refused[0].reason}. Copy the data again."
            )
    return maps_of_folder(folder, rows)
