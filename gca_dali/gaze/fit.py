"""Training of a gaze predictor: spatial softmax, KL divergence minus correlation.

Enters: rows of a manifest with maps. Leaves: a `GazePredictor` with the weights of the epoch that
did best on held-out patients, and the history of all epochs. Next: `report`, `evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gca_dali.common.progress import track
from gca_dali.common.state import read_state, write_state
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.examples import load_examples, split_patients
from gca_dali.gaze.map_folder import MapFolder
from gca_dali.gaze.network import GazeNetwork
from gca_dali.gaze.predictor import GazePredictor, PredictorFacts, choose_device
from gca_dali.gaze.training import Epoch, FitSettings, Training


@dataclass(frozen=True)
class Fit:
    """A finished training.

    Attributes
    ----------
    predictor : GazePredictor
        With the weights of the best epoch.
    history : tuple of Epoch
        All epochs in order.
    best_epoch : int
        Counted from 0.
    """

    predictor: GazePredictor
    history: tuple[Epoch, ...]
    best_epoch: int


def fit_predictor(
    rows: Manifest,
    maps: MapFolder,
    settings: FitSettings,
    *,
    device: str = "auto",
    state_path: str | Path | None = None,
    on_epoch: Callable[[int, Epoch], None] | None = None,
) -> Fit:
    """Train a predictor on the rows of a manifest that have a map.

    Parameters
    ----------
    rows : Manifest
        A manifest; images of one patient are never split between training and validation.
    maps : MapFolder
        Recorded maps.
    settings : FitSettings
        How to train.
    device : str
        "auto", "cpu" or "cuda".
    state_path : str or Path, optional
        State after every epoch; where it exists and belongs to the same settings and maps,
        training goes on from there and ends with the same weights. Removed at the end.
    on_epoch : callable, optional
        Called with the number of the epoch and its scores.

    Raises
    ------
    ValueError
        Where there are no maps, fewer than two patients, or a state of another training.
    """
    network = settings.network
    examples = load_examples(rows, maps, network.input_px, network.map_px)
    chosen, held_out = split_patients(examples.patient, settings.validation_share, settings.seed)
    run = Training(settings, examples.take(chosen), examples.take(held_out), choose_device(device))
    state = Path(state_path) if state_path is not None else None
    if state is not None and state.is_file():
        run.resume(read_state(state), state)
    todo = range(len(run.history), settings.num_epochs)
    for number in track(todo, len(todo), "fitting"):
        epoch = run.train_epoch(number)
        if state is not None:
            write_state(state, run.state())
        if on_epoch is not None:
            on_epoch(number, epoch)
    best = run.history[run.best_epoch]
    facts = PredictorFacts(
        simulated=maps.simulated,
        num_maps=len(chosen),
        num_patients=len(set(run.training.patient.tolist())),
        validation={"kld": best.kld, "cc": best.cc, "num_maps": len(held_out)},
        settings=settings.as_dict() | {"epoch": run.best_epoch},
    )
    trained = GazeNetwork(network)
    trained.load_state_dict(run.best)
    predictor = GazePredictor(trained, run.training.maps.mean(0), facts, device)
    if state is not None:
        state.unlink(missing_ok=True)
    return Fit(predictor, tuple(run.history), run.best_epoch)
