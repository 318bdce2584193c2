"""One cell of the study: pre-train, describe the crops, probe, and write one JSON.

Enters: a `Study` (config, data set, maps) and a cell. Leaves: RESULTS/<cell>.json, written whole or
not at all. A cell that was stopped goes on from its checkpoint and from the probes that are done.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arms import UNTRAINED, Arm, build_policy, fit_size, split_name
from crops import describe_crops
from datasets import Dataset
from row import describe_cpu, describe_versions
from study_config import Cell, StudyConfig
from torch import nn

from gca_dali.loader import GCALoader
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.ssl.config import PretrainConfig
from gca_dali.ssl.encoder_files import read_encoder
from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.features import build_untrained
from gca_dali.ssl.presets import find_preset
from gca_dali.ssl.pretrain import CHECKPOINT_NAME, pretrain
from gca_dali.ssl.probe import ProbeConfig, ProbeTask
from gca_dali.ssl.scores import Predictions, score

SECONDS_NAME = "seconds.json"
PROBE_BATCH = {"linear": 64, "finetune": 32}


class Stopped(Exception):
    """The time of this piece is over, or Ctrl-C came; everything is saved."""


@dataclass(frozen=True)
class Study:
    """What all cells share.

    Attributes
    ----------
    config : StudyConfig
    data : Dataset
    work, results : Path
        Folders of checkpoints and of finished cells.
    commit : str
        Of the code, when the study was begun.
    deadline_seconds : float
        On the monotonic clock: when this piece has to end.
    """

    config: StudyConfig
    data: Dataset
    work: Path
    results: Path
    commit: str
    deadline_seconds: float = float("inf")

    @property
    def is_over(self) -> bool:
        """Whether the time of this piece is over."""
        return time.monotonic() > self.deadline_seconds

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What all cells' numbers depend on."""
        varied = ("name", "arms", "methods", "seeds", "modes", "fractions")
        kept = {k: v for k, v in asdict(self.config).items() if k not in varied}
        return kept | {"gaze": self.data.facts, "num_pretraining_images": len(self.data.rows)}

    def describe(self, cell: Cell) -> dict[str, Any]:
        """Return everything that a cell's numbers depend on, as its JSON holds it."""
        found: dict[str, Any] = {"arm": cell.arm, "method": cell.method, "seed": cell.seed}
        found["settings"] = self.settings
        if cell.arm != UNTRAINED:
            found["policy"] = asdict(self.build_policy(cell.arm))
            found["preset"] = asdict(find_preset(cell.method, self.config.preset))
        return found

    def build_policy(self, name: str) -> ViewPolicy:
        """Return the policy of an arm on these images."""
        data = self.data
        policy = build_policy(split_name(name)[0], data.predicted, data.shapes, data.flip)
        return fit_size(policy, self.config.size_px)

    def build_arm(self, name: str) -> Arm:
        """Return an arm on these images."""
        policy = self.build_policy(name)
        return Arm(policy, self.data.maps(split_name(name)[1]) if policy.reads_saliency else None)


def run_cell(study: Study, cell: Cell) -> None:
    """Run a cell to its end, or go on with it, and write its JSON.

    Raises
    ------
    Stopped
        If it could not be finished in the time of this piece.
    ValueError
        If its work was begun with other settings.
    """
    folder = study.work / study.config.name / cell.name
    folder.mkdir(parents=True, exist_ok=True)
    report = study.describe(cell)
    _begin(folder, report | {"num_finetune_epochs": study.config.num_finetune_epochs})
    if cell.arm == UNTRAINED:
        look = EncoderConfig(study.config.encoder, view_size_px=study.config.size_px)
        encoder = build_untrained(look, cell.seed)
    else:
        pretraining = folder / "pretraining.json"
        if not pretraining.exists():
            write_json(pretraining, _pretrain(study, cell, folder))
        report |= json.loads(pretraining.read_text())
        encoder, look = read_encoder(folder / CHECKPOINT_NAME)
    for mode in study.config.modes:
        report[mode] = _probe(study, cell.seed, (encoder, look), mode, folder)
    report["seconds"] = json.loads((folder / SECONDS_NAME).read_text())
    report["device"] = _describe_device()
    report["versions"] = describe_versions() | {"lightly": version("lightly")}
    report["commit"] = study.commit
    write_json(study.results / f"{cell.name}.json", report)


def _begin(folder: Path, wanted: dict[str, Any]) -> None:
    """Write down what a cell is begun with, or compare: what is kept of it is used again."""
    path, wanted = folder / "begun.json", json.loads(json.dumps(wanted))
    if not path.exists():
        write_json(path, wanted)
    elif json.loads(path.read_text()) != wanted:
        raise ValueError(
            f"work must be begun with the settings of the study, got {folder} of other ones. Move "
            "it away or rename the study."
        )


def _pretrain(study: Study, cell: Cell, folder: Path) -> dict[str, Any]:
    """Pre-train, or go on from the checkpoint; return policy, crops and the last numbers."""
    arm, config = study.build_arm(cell.arm), study.config
    loader = GCALoader(
        study.data.rows,
        arm.policy,
        arm.maps,
        batch_size=config.batch_size,
        seed=cell.seed,
        resident=True,  # a few hundred megabytes
    )
    settings = PretrainConfig(
        cell.method,
        config.preset,
        EncoderConfig.for_policy(config.encoder, arm.policy),
        config.num_epochs,
        cell.seed,
    )

    def stop_in_time(num_done: int, num_steps: int, numbers: dict[str, float]) -> None:
        if study.is_over:
            signal.raise_signal(signal.SIGTERM)  # pretrain saves and ends after this step

    path = folder / CHECKPOINT_NAME
    with _count_seconds(folder, "pretraining"):
        done = pretrain(loader, settings, folder, path if path.exists() else None, stop_in_time)
    if done.interrupted:
        raise Stopped(f"{cell.name} stopped at step {done.num_steps}")
    return {
        "crops": describe_crops(arm, study.data.predicted, study.data.shapes, cell.seed),
        "pretraining": {"num_steps": done.num_steps, **done.numbers},
    }


def _probe(
    study: Study, seed: int, judged: tuple[nn.Module, EncoderConfig], mode: str, folder: Path
) -> dict[str, Any]:
    """Return the scores and the guessed grades of each fraction; each call's are kept."""
    fractions = study.config.fractions
    # Features are computed once for all fractions; a fine-tuned network has one each.
    calls = [fractions] if mode == "linear" else [(share,) for share in fractions]
    found: dict[str, Any] = {}
    for call in calls:
        names = "-".join(f"{share:g}" for share in call)
        done = folder / f"{mode}-{names}.json"
        if not done.exists():
            if study.is_over:
                raise Stopped(f"{folder.name} stopped before {done.stem}")
            epochs = study.config.num_finetune_epochs
            task = ProbeTask(
                study.data.manifest,
                ProbeConfig(call, mode, seed, "auto", PROBE_BATCH[mode], epochs),
            )
            with _count_seconds(folder, mode):
                predictions = task.judge(*judged)
            positive = study.data.positive
            write_json(
                done, {name: _describe(item, positive) for name, item in predictions.items()}
            )
        found |= json.loads(done.read_text())
    return found


def _describe(predictions: Predictions, positive: int) -> dict[str, Any]:
    """Return scores with intervals, and what was guessed of each test image.

    "guess" is the grade as one digit, "positive" the probability that the label is `positive` or
    more, as four digits; "auc" of the scores is the mean over classes, another measure.
    """
    guess = predictions.probability.argmax(1)
    found = np.rint(9999 * predictions.probability[:, positive:].sum(1)).astype(int)
    return score(predictions) | {
        "guess": "".join(map(str, guess.tolist())),
        "positive": "".join(f"{value:04d}" for value in found.tolist()),
    }


def _describe_device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{describe_cpu()}, {torch.get_num_threads()} threads"


@contextmanager
def _count_seconds(folder: Path, stage: str) -> Iterator[None]:
    """Add the time of a stage to what earlier pieces took; a killed piece is not counted."""
    path = folder / SECONDS_NAME
    wall, processor = time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        seconds = json.loads(path.read_text()) if path.exists() else {}
        before = seconds.get(stage, {"wall": 0.0, "processor": 0.0})
        seconds[stage] = {
            "wall": round(before["wall"] + time.perf_counter() - wall, 1),
            "processor": round(before["processor"] + time.process_time() - processor, 1),
        }
        write_json(path, seconds)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
