"""The two data sets of the study: which images, and where a reader would look at them.

Enters: knees (a CSV) or nothing (phantoms are made). Leaves: a `Dataset` with rows, predicted gaze
maps and the simulated reader's own. Whatever takes long is kept in a work folder. The phantoms'
predictor learned from other images, the knees' from 354 of those that are trained on, and from no
test image; every recording is simulated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from arms import choose_maps

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.augment import Augmentation
from gca_dali.gaze.bulk import draw_maps, predict_maps, simulate_knees
from gca_dali.gaze.fit import fit_predictor
from gca_dali.gaze.map_folder import INDEX_NAME, MapFolder
from gca_dali.gaze.maps import MapSettings
from gca_dali.gaze.network import NetworkConfig
from gca_dali.gaze.predictor import GazePredictor
from gca_dali.gaze.scoring import score_predictor
from gca_dali.gaze.training import FitSettings
from gca_dali.phantoms import write_phantoms
from gca_dali.ssl.splits import group_rows, hold_out
from gca_dali.steps.saliency import maps_of_folder

DATASETS = ("knees", "phantoms")
PHANTOM_PX = 112
RECORDINGS_SEED = 1
FIT = FitSettings(NetworkConfig(input_px=128), Augmentation(flip=True), num_epochs=30)
_DRAW_SEED = _READER_SEED = 0


@dataclass(frozen=True)
class Dataset:
    """Images, and maps of those that are pre-trained on.

    Attributes
    ----------
    name : str
        One of `DATASETS`.
    manifest : Manifest
        All images, with split, labels and patients: the probes' rows.
    rows : Manifest
        The N images that are pre-trained on.
    predicted : numpy.ndarray, uint8, [N, 64, 64]
        Maps by the predictor.
    read_again : callable
        Returns the simulated reader's own maps, of the same shape.
    facts : dict
        Of the predictor: fingerprint, whether its recordings were simulated.
    positive : int
        The least label of an image that should be found: the AUC is of this.
    flip : float
        Probability that a view may be mirrored.
    """

    name: str
    manifest: Manifest
    rows: Manifest
    predicted: np.ndarray
    read_again: Callable[[], np.ndarray]
    facts: dict[str, object]
    positive: int
    flip: float

    @cached_property
    def shapes(self) -> np.ndarray:
        """Height and width of the rows, int32, [N, 2]."""
        return np.stack([self.rows.height, self.rows.width], axis=1)

    def maps(self, kind: str) -> np.ndarray:
        """Return the maps of a kind, one of `arms.MAPS`, uint8, [N, 64, 64]."""
        return self.read_again() if kind == "reader" else choose_maps(kind, self.predicted)


def open_knees(labels: Path, num_images: int, predictor: str, work: Path) -> Dataset:
    """Return the OAI knees: KL 2 or more is osteoarthritis.

    Parameters
    ----------
    labels : Path
        labels.csv: path, label (KL grade), split, patient.
    num_images : int
        Training images to pre-train on, of whole patients; 0 for all.
    predictor : str
        "knee", the bundled one, or a file.
    work : Path
        Where maps are kept.
    """
    manifest = Manifest.from_csv(labels)
    rows = manifest.take(draw_training_rows(manifest, num_images))
    network = GazePredictor.load(predictor)

    def read_again() -> np.ndarray:
        folder = work / f"read-{rows.fingerprint[:12]}"
        if not (folder / INDEX_NAME).is_file():
            draw_maps(simulate_knees(rows, _READER_SEED), rows, MapSettings(), folder)
        return maps_of_folder(folder, rows)

    predicted = make_maps(network, rows, work)
    facts = {"predictor": network.fingerprint, "simulated": network.facts.simulated}
    return Dataset("knees", manifest, rows, predicted, read_again, facts, positive=2, flip=0.5)


def open_phantoms(num_images: int, work: Path, sizes: tuple[int, int], fit: FitSettings) -> Dataset:
    """Return chest phantoms with a lesion of 0.75 % of the image or none; made where absent.

    Parameters
    ----------
    num_images : int
        Training images to pre-train on, of whole patients; 0 for all.
    work : Path
        Where phantoms, recordings, predictor and maps are kept.
    sizes : tuple of int
        Phantoms of the study, and others on whose recordings the predictor is fitted.
    fit : FitSettings
        Of the predictor.
    """
    num, num_recorded = sizes
    folder = make_phantoms(work / f"phantoms-{num}", num, 0)
    manifest = Manifest.from_csv(folder / "labels.csv")
    rows = manifest.take(draw_training_rows(manifest, num_images))
    path = work / f"predictor-{num_recorded}.safetensors"
    if not path.is_file():
        recorded = make_phantoms(work / f"recordings-{num_recorded}", num_recorded, RECORDINGS_SEED)
        _fit(recorded, folder, fit, path)
    network = GazePredictor.load(path)
    scores = json.loads(path.with_suffix(".json").read_text())
    facts = {"predictor": network.fingerprint, "simulated": True, "predictor_scores": scores}
    return Dataset(
        "phantoms",
        manifest,
        rows,
        make_maps(network, rows, work),
        lambda: maps_of_folder(folder / "maps", rows),
        facts,
        positive=1,
        flip=0.0,  # the heart has a side
    )


def make_phantoms(folder: Path, num: int, seed: int) -> Path:
    """Write phantoms unless they are there, whole."""
    if not (folder / "labels.csv").is_file():  # written last
        write_phantoms(folder, num, kind="chest", seed=seed, height=PHANTOM_PX, width=PHANTOM_PX)
    return folder


def _fit(recorded: Path, judged: Path, fit: FitSettings, path: Path) -> None:
    """Fit a predictor on recordings; score it on the test images of the study's phantoms."""
    rows = Manifest.from_csv(recorded / "labels.csv")
    state = path.with_suffix(".state.safetensors")
    found = fit_predictor(rows, MapFolder.open(recorded / "maps"), fit, state_path=state)
    test = Manifest.from_csv(judged / "labels.csv").where(split="test")
    scores = score_predictor(
        found.predictor, test, MapFolder.open(judged / "maps"), judged / "fixations.csv"
    )
    path.with_suffix(".json").write_text(json.dumps(scores.as_dict()["scores"]))
    found.predictor.save(path)


def draw_training_rows(manifest: Manifest, num_images: int) -> np.ndarray:
    """Return the rows of about so many training images, of whole patients; 0 for all of them."""
    train = np.flatnonzero(manifest.columns["split"] == "train")
    if not 0 < num_images < len(train):
        return train
    drawn = hold_out(group_rows(manifest)[train], num_images / len(train), _DRAW_SEED)
    return train[drawn]


def make_maps(predictor: GazePredictor, rows: Manifest, work: Path) -> np.ndarray:
    """Return the predicted maps of the rows, uint8, [N, 64, 64]; they are made once per folder.

    Raises
    ------
    RuntimeError
        If an image could not be read.
    """
    folder = work / f"maps-{predictor.fingerprint[:12]}-{rows.fingerprint[:12]}"
    if not (folder / INDEX_NAME).is_file():
        _, refused = predict_maps(predictor, rows, folder)
        if refused:
            raise RuntimeError(
                f"every image must be readable, got {len(refused)} that are not, the first "
                f"{refused[0].path}: {refused[0].reason}. Copy the data again."
            )
    return maps_of_folder(folder, rows)
