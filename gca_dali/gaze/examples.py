"""Images and maps of a study in memory, ready for training or scoring.

Enters: rows of a manifest and a folder of maps. Leaves: `Examples`, every image at the network's
size and every map at the predictor's cells. Next: `fit`, or `evaluate`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gca_dali.common.progress import track
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.map_folder import MapFolder
from gca_dali.gaze.prepare import prepare_image, resize_map


@dataclass(frozen=True)
class Examples:
    """N images with their maps.

    Attributes
    ----------
    path : numpy.ndarray, str, [N]
        Of the image in its manifest.
    patient : numpy.ndarray, str, [N]
        The path where the manifest knows no patients, so that every image stands alone.
    images : numpy.ndarray, float16, [N, input_px, input_px]
        In [0, 1].
    maps : numpy.ndarray, float32, [N, map_px, map_px]
        Each of sum 1.
    """

    path: np.ndarray
    patient: np.ndarray
    images: np.ndarray
    maps: np.ndarray

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.path)

    def take(self, rows: np.ndarray) -> Examples:
        """Return some of the images, in the order of `rows`."""
        return Examples(self.path[rows], self.patient[rows], self.images[rows], self.maps[rows])


def load_examples(rows: Manifest, maps: MapFolder, input_px: int, map_px: int) -> Examples:
    """Read every image that has a map with mass.

    Parameters
    ----------
    rows : Manifest
        A manifest.
    maps : MapFolder
        Maps of any size, by the paths of the manifest.
    input_px, map_px : int
        Sides of the network's input and of the map.

    Raises
    ------
    ValueError
        Where no row has a map.
    """
    having = [i for i, path in enumerate(rows.path.tolist()) if path in maps]
    if not having:
        raise ValueError(
            f"maps in {maps.folder} must belong to images of the manifest, got none of its "
            f"{len(rows)} paths. Check the manifest's root."
        )
    kept, images, recorded = [], [], []
    for i in track(having, len(having), "reading images"):
        saliency = resize_map(maps.load(str(rows.path[i])), (map_px, map_px))
        total = saliency.sum()
        if total > 0:
            kept.append(i)
            images.append(prepare_image(rows.read(i), input_px).astype(np.float16))
            recorded.append((saliency / total).astype(np.float32))
    if not kept:
        raise ValueError(f"maps in {maps.folder} must hold mass, got zeros only. Write them again.")
    path, patient = rows.path[kept], rows.patient[kept]
    patient = np.where(patient == "", path, patient)
    return Examples(path, patient, np.stack(images), np.stack(recorded))


def split_patients(patient: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hold some patients out.

    Parameters
    ----------
    patient : numpy.ndarray, str, [N]
        All images of a patient go to one side.
    share : float
        Of the patients that are held out, at least one of them.
    seed : int
        Of the draw.

    Returns
    -------
    training, held_out : numpy.ndarray, int64
        Manifest, ascending.

    Raises
    ------
    ValueError
        Where there are fewer than two patients.
    """
    names = np.unique(patient)
    if len(names) < 2:
        raise ValueError(
            f"patients must be at least 2 to hold one out, got {len(names)}. Add recordings."
        )
    num_out = min(max(round(share * len(names)), 1), len(names) - 1)
    out = np.random.default_rng([seed, 1]).choice(names, num_out, replace=False)
    held = np.isin(patient, out)
    return np.flatnonzero(~held), np.flatnonzero(held)
