"""The gaze commands as functions: whole manifests in, files out.

Enters: rows of a manifest with a recording, boxes or a predictor. Leaves: simulated recordings or
folders of maps. Next: `fit`, `evaluate`, or the loader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gca_dali.common.progress import track
from gca_dali.data.index import Refused
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.boxes import ImageBoxes
from gca_dali.gaze.fixations import Fixations
from gca_dali.gaze.knee_anatomy import find_knee
from gca_dali.gaze.map_folder import FIXATIONS_NAME, MapFolder, write_maps
from gca_dali.gaze.maps import MapSettings, draw_map
from gca_dali.gaze.matching import MatchedFixations, match_images
from gca_dali.gaze.prepare import CHUNK, prepare_image
from gca_dali.gaze.simulate import read_boxes, read_knee
from gca_dali.gaze.tracker import simulate_fixations
from gca_dali.image.claims import UnreadableImageError

if TYPE_CHECKING:
    from gca_dali.gaze.predictor import GazePredictor

Reader = Callable[[np.random.Generator], np.ndarray]


def simulate_knees(rows: Manifest, seed: int = 0) -> Fixations:
    """Let the simulated reader grade knees; see `read_knee`.

    Parameters
    ----------
    rows : Manifest
        Knee X-rays.
    seed : int
        Each reading is drawn from (seed, path).
    """

    def images() -> Iterator[tuple[str, tuple[int, int], Reader]]:
        for row, path in enumerate(track(rows.path.tolist(), len(rows), "reading knees")):
            anatomy = find_knee(rows.read(row))
            yield path, anatomy.size, lambda rng, anatomy=anatomy: read_knee(anatomy, rng)

    return simulate_fixations(images(), seed)


def simulate_boxes(rows: Manifest, boxes: list[ImageBoxes], seed: int = 0) -> Fixations:
    """Let the simulated reader search images for the lesions in their boxes; see `read_boxes`.

    Parameters
    ----------
    rows : Manifest
        Any X-rays.
    boxes : list of ImageBoxes, [N]
        Of each row.
    seed : int
        Each reading is drawn from (seed, path).
    """

    def images() -> Iterator[tuple[str, tuple[int, int], Reader]]:
        sizes = zip(rows.height.tolist(), rows.width.tolist(), strict=True)
        for path, size, own in zip(rows.path.tolist(), sizes, boxes, strict=True):
            yield (
                path,
                size,
                lambda rng, own=own, size=size: read_boxes(own.lesions, own.others, size, rng),
            )

    return simulate_fixations(images(), seed)


def draw_maps(
    fixations: Fixations, rows: Manifest, settings: MapSettings, folder: str | Path
) -> tuple[MapFolder, MatchedFixations]:
    """Draw a map for every recorded image of a manifest and write the folder.

    The folder also gets the valid fixations in image pixels, so that a predictor can be scored on
    it. Images without a valid fixation get no map.

    Parameters
    ----------
    fixations : Fixations
        As a reader or the simulated reader returns it.
    rows : Manifest
        A manifest with the images.
    settings : MapSettings
        Width of a fixation and size of the maps.
    folder : str or Path
        Where to write.

    Raises
    ------
    ValueError
        Where no image of the recording is in the manifest or none has a valid fixation.
    """
    matched = match_images(fixations, rows.path.tolist(), rows.height, rows.width)
    found = matched.fixations
    sizes = {
        str(rows.path[row]): (int(rows.height[row]), int(rows.width[row])) for row in matched.rows
    }
    empty = set(found.report.empty_images)
    paths = [path for path in sizes if path not in empty]
    if not paths:
        raise ValueError(
            "recording must hold a valid fixation on an image of the manifest, got none. "
            "Look at its counts of invalid and off-image rows."
        )

    def maps() -> Iterator[tuple[str, np.ndarray]]:
        for path in track(paths, len(paths), "drawing maps"):
            of_image = found.valid & (found.image == path)
            angle = found.pixels_per_degree[of_image]
            sigma_px = settings.sigma_px(sizes[path], angle)
            shape = (settings.height, settings.width)
            yield path, draw_map(found.points(path), sigma_px, sizes[path], shape)

    facts = {
        "normalisation": "sum 1",
        "truncation": "edge of the image",
        "settings": asdict(settings),
        "report": found.report.as_dict(),
    }
    written = write_maps(folder, maps(), paths, simulated=found.simulated, facts=facts)
    found.save(written.folder / FIXATIONS_NAME)
    return written, matched


def predict_maps(
    predictor: GazePredictor, rows: Manifest, folder: str | Path
) -> tuple[MapFolder, tuple[Refused, ...]]:
    """Predict the map of every image of a manifest and write the folder.

    Parameters
    ----------
    predictor : GazePredictor
        What predicts.
    rows : Manifest
        A manifest.
    folder : str or Path
        Where to write.

    Returns
    -------
    maps : MapFolder
        Float32 maps of maximum 1.
    refused : tuple of Refused
        Images that could not be read, with reasons.
    """
    refused: list[Refused] = []

    def images() -> Iterator[tuple[str, np.ndarray]]:
        side = predictor.network.config.input_px
        for row, path in enumerate(track(rows.path.tolist(), len(rows), "predicting")):
            try:
                yield path, prepare_image(rows.read(row), side)
            except (UnreadableImageError, OSError) as error:
                refused.append(Refused(path, str(error)))

    def maps() -> Iterator[tuple[str, np.ndarray]]:
        import torch

        source = images()
        while batch := list(islice(source, CHUNK)):
            stacked = torch.from_numpy(np.stack([image for _, image in batch]))[:, None]
            predicted = predictor.predict(stacked).cpu().numpy()
            yield from zip((path for path, _ in batch), predicted, strict=True)

    facts = {"normalisation": "maximum 1", "predictor": predictor.fingerprint}
    simulated = predictor.facts.simulated
    written = write_maps(folder, maps(), rows.path.tolist(), simulated=simulated, facts=facts)
    return written, tuple(refused)
