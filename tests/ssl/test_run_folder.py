"""A run's folder explains itself: policy, settings, versions, curve; and what a watch sees."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gca_dali.data.manifest import Manifest
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.ssl import run as run_module
from gca_dali.ssl.config import PretrainConfig
from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.pretrain import pretrain
from gca_dali.ssl.run_folder import describe_run, draw_curve, read_logs
from gca_dali.ssl.watch import LabelWatch, classify_by_neighbours
from pretrain_loader import PatternLoader


class TinyEncoder(nn.Module):
    """One convolution and a norm that would remember what it saw."""

    num_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return self.layers(views).flatten(1)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "build_encoder", lambda config: TinyEncoder())


def _config(num_epochs: int = 2) -> PretrainConfig:
    encoder = EncoderConfig(view_size_px=32)
    return PretrainConfig("dino", encoder=encoder, num_epochs=num_epochs, device="cpu")


def test_policy_settings_versions_and_curve(tmp_path: Path) -> None:
    loader = PatternLoader(num_locals=2)
    done = pretrain(loader, _config(), tmp_path)
    assert ViewPolicy.load(tmp_path / "policy.json") == loader.policy
    facts = json.loads((tmp_path / "run.json").read_text())
    assert facts["config"]["method"] == "dino" and facts["preset"]["output_dim"] == 1024
    assert (facts["batch_size"], facts["num_batches"]) == (16, 3)
    (start,) = facts["starts"]
    assert start["step"] == 0 and start["versions"]["torch"] == torch.__version__.split("+")[0]
    with Image.open(draw_curve(tmp_path)) as curve:
        assert curve.width > 500 and len(np.unique(np.asarray(curve.convert("L")))) > 10
    pretrain(PatternLoader(num_locals=2), _config(), tmp_path, resume=done.checkpoint)
    starts = json.loads((tmp_path / "run.json").read_text())["starts"]
    assert [item["step"] for item in starts] == [0, 6]


def test_logs_of_several_starts_are_one_curve(tmp_path: Path) -> None:
    for version, rows in enumerate(([(1, 3.0), (2, 2.0)], [(2, 2.5), (3, 1.0)])):
        folder = tmp_path / "logs" / f"version_{version}"
        folder.mkdir(parents=True)
        with open(folder / "metrics.csv", "w", newline="") as file:
            csv.writer(file).writerows([("step", "loss"), *rows])
    assert [float(row["loss"]) for row in read_logs(tmp_path)] == [3.0, 2.5, 1.0]


def test_a_watch_is_logged_and_changes_nothing(phantom_manifest: Manifest, tmp_path: Path) -> None:
    config = _config(num_epochs=3)
    watch = LabelWatch(phantom_manifest, config.encoder, "cpu", seed=0)
    looks: list[dict[str, float]] = []

    def look(encoder: nn.Module) -> dict[str, float]:
        looks.append(watch.look(encoder))
        assert encoder.training
        return looks[-1]

    watched = pretrain(PatternLoader(), config, tmp_path / "watched", watch=look)
    plain = pretrain(PatternLoader(), config, tmp_path / "plain")
    rows = [row for row in read_logs(tmp_path / "watched") if row["knn_accuracy"]]
    assert [int(row["step"]) for row in rows] == [3, 6, 9] and len(looks) == 3
    assert all(0 <= item["knn_accuracy"] <= 1 for item in looks)
    assert watched.numbers["knn_accuracy"] == looks[-1]["knn_accuracy"]
    assert watched.numbers["loss"] == plain.numbers["loss"]


def test_neighbours_vote_by_similarity() -> None:
    known = np.array([[1, 0], [0.9, 0.1], [-1, 0], [-0.9, 0.1], [-1, 0.2]], np.float32)
    label = np.array([0, 0, 1, 1, 1])
    found = classify_by_neighbours(known, label, np.array([[2, 0.1], [-3, 0]], np.float32))
    assert found.tolist() == [0, 1]


@pytest.mark.parametrize("text", ["", '{"config": {"meth', "[]", '{"starts": 3}'])
def test_a_broken_list_of_starts_begins_anew(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = pretrain(PatternLoader(num_locals=2), _config(), tmp_path)
    (tmp_path / "run.json").write_text(text)
    with caplog.at_level(logging.WARNING, "gca_dali"):
        pretrain(PatternLoader(num_locals=2), _config(), tmp_path, resume=done.checkpoint)
    assert f"{tmp_path / 'run.json'} must be what pretrain wrote, got" in caplog.text
    (start,) = json.loads((tmp_path / "run.json").read_text())["starts"]
    assert start["step"] == 6


def test_a_failed_write_leaves_the_older_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_module.PretrainRun(PatternLoader(num_locals=2), _config())
    describe_run(run, tmp_path)
    before = (tmp_path / "run.json").read_text()

    def fail(path: Path, text: str, encoding: str) -> None:
        path.open("w").close()
        raise OSError("killed")

    monkeypatch.setattr(Path, "write_text", fail)
    monkeypatch.setattr(run.loader.policy.__class__, "save", lambda *_: None)
    with pytest.raises(OSError, match="killed"):
        describe_run(run, tmp_path)
    assert (tmp_path / "run.json").read_text() == before
