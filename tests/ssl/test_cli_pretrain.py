"""What `gca-dali pretrain` leaves in its folder, and how it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

import gca_dali as gca
from gca_dali.cli import pretrain as pretrain_command

SMALL = ["--batch-size", "8", "--epochs", "1", "--device", "cpu"]


def _pretrain(folder: Path, out: Path, *options: str):
    arguments = [str(folder / "labels.csv"), "--out", str(out), *SMALL, *options]
    return CliRunner().invoke(pretrain_command.app, arguments)


@pytest.mark.slow
def test_the_folder_of_a_run_explains_it(phantom_folder: Path, tmp_path: Path) -> None:
    options = ["--method", "dino", "--policy", "gca_dino", "--size", "64", "--watch", "labels"]
    done = _pretrain(phantom_folder, tmp_path, *options, "--json")
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    assert {"loss", "teacher_information", "knn_accuracy", "waiting_share"} <= set(facts)
    policy = gca.ViewPolicy.load(tmp_path / "policy.json")
    assert [(group.num_views, group.size) for group in policy.groups] == [(2, 64), (8, 27)]
    assert json.loads((tmp_path / "run.json").read_text())["config"]["method"] == "dino"
    with Image.open(tmp_path / "preview.png") as sheet:
        assert min(sheet.size) > 100
    with Image.open(tmp_path / "curve.png") as curve:
        assert min(curve.size) > 100
    with open(tmp_path / "logs" / "version_0" / "metrics.csv", newline="") as file:
        assert float(list(csv.DictReader(file))[-1]["knn_accuracy"]) == facts["knn_accuracy"]
    encoder = gca.load_encoder(tmp_path / "last.safetensors")
    assert encoder(torch.zeros(1, 1, 64, 64)).shape == (1, 512)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--encoder", "resnet19"],
            "a name that timm knows, got 'resnet19'. The nearest are resnet",
        ),
        (["--set", "num_views=1"], "num_views of the first group must be at least 2"),
        (
            ["--policy", "dino", "--encoder", "mixer_s16_224", "--size", "224"],
            "sizes that mixer_s16_224 takes, got 96 px",
        ),
        (["--init", "imagenet"], "init must be a file for resnet18, got 'imagenet'"),
        (["--init", "nowhere"], "checkpoint must be a file, got nowhere"),
    ],
)
def test_refuses_in_one_line(
    options: list[str], message: str, phantom_folder: Path, tmp_path: Path
) -> None:
    size = [] if "--size" in options else ["--size", "32"]
    done = _pretrain(phantom_folder, tmp_path, "--method", "dino", *size, *options)
    assert done.exit_code == 1 and done.stdout == ""
    assert message in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "last.safetensors").exists()


def test_weights_that_do_not_fit_are_refused(phantom_folder: Path, tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.ones(64, 1, 7, 7)}, tmp_path / "weights.safetensors")
    init = ["--init", str(tmp_path / "weights.safetensors"), "--size", "32"]
    done = _pretrain(phantom_folder, tmp_path / "run", "--method", "simclr", *init)
    assert done.exit_code == 1
    assert "init must hold the weights of resnet18" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
