"""A predictor on the images of a manifest, scored against recorded gaze.

Enters: a predictor, a manifest, a folder of recorded maps and its fixations. Leaves: `Evaluation`.
Next: the command prints it, the card shows it.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch

from gca_dali.common.disk import explained_disk, replace_file
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.evaluate import Evaluation, evaluate_maps
from gca_dali.gaze.examples import load_examples
from gca_dali.gaze.map_folder import FIXATIONS_NAME, MapFolder
from gca_dali.gaze.matching import match_images
from gca_dali.gaze.metrics import fixation_cells
from gca_dali.gaze.predictor import GazePredictor
from gca_dali.gaze.readers import read_generic
from gca_dali.gaze.table import centre_map

SOURCES = ("predictor", "mean map", "centre")


def score_predictor(
    predictor: GazePredictor, rows: Manifest, maps: MapFolder, fixations: str | Path | None = None
) -> Evaluation:
    """Predict every image that has a recorded map and score it beside the two priors.

    Parameters
    ----------
    predictor : GazePredictor
        It also holds the mean-map prior: the mean of the maps that it learned from.
    rows : Manifest
        A manifest; images without a map are left out.
    maps : MapFolder
        Recorded maps.
    fixations : str or Path, optional
        Generic CSV; by default `fixations.csv` of the folder. Where there is none, the metrics of
        fixations are left out.

    Returns
    -------
    Evaluation
        Of the sources "predictor", "mean map" and "centre", patients kept together.
    """
    config = predictor.network.config
    examples = load_examples(rows, maps, config.input_px, config.map_px)
    images = torch.from_numpy(examples.images)
    predicted = [predictor.predict(chunk.float()[:, None]).cpu() for chunk in images.split(64)]
    shape = (config.map_px, config.map_px)
    file = maps.folder / FIXATIONS_NAME if fixations is None else Path(fixations)
    cells = None
    if fixations is not None or file.is_file():
        cells = _read_cells(file, rows, examples.path, shape)
    sources = {
        "predictor": torch.cat(predicted).numpy(),
        "mean map": predictor.mean_map,
        "centre": centre_map(shape),
    }
    return evaluate_maps(
        sources, examples.maps, examples.path, cells=cells, groups=examples.patient
    )


def write_scores(path: str | Path, evaluation: Evaluation) -> None:
    """Write a CSV with a row per image: path, then every metric of every source."""
    columns = {
        f"{source} {metric}": values
        for source, by_metric in evaluation.scores.items()
        for metric, values in by_metric.items()
    }
    path = Path(path)
    with (
        explained_disk(path.parent, f"{path.name} of {len(evaluation.path):,} rows"),
        replace_file(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["path", *columns])
        for i, name in enumerate(evaluation.path.tolist()):
            writer.writerow([name, *(f"{values[i]:.6g}" for values in columns.values())])


def _read_cells(
    file: Path, rows: Manifest, paths: np.ndarray, shape: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Return the fixated cells of each image, [F, 2]."""
    recorded = read_generic(file)
    found = match_images(recorded, rows.path.tolist(), rows.height, rows.width).fixations
    height = dict(zip(rows.path.tolist(), rows.height.tolist(), strict=True))
    width = dict(zip(rows.path.tolist(), rows.width.tolist(), strict=True))
    return {
        path: fixation_cells(found.points(path), (height[path], width[path]), shape)
        for path in paths.tolist()
    }
