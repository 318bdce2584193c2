"""Pre-training and probe on phantoms, whole chain, five methods: the loss falls, features gain.

Eight phantoms are eight classes; each is photographed sixty times with another frame, gamma,
brightness and noise. A network that was trained to see past that tells them apart better than the
same network untrained.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gca_dali.data.manifest import Manifest
from gca_dali.loader import GCALoader
from gca_dali.phantoms import make_phantom
from gca_dali.policy.group import ViewGroup
from gca_dali.policy.parts import Appearance, Change, Crop
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.ssl import encoder_files
from gca_dali.ssl import features as features_module
from gca_dali.ssl import run as run_module
from gca_dali.ssl.config import PretrainConfig
from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.pretrain import pretrain
from gca_dali.ssl.probe import UNTRAINED, ProbeConfig, probe_checkpoint

NUM_PHANTOMS, NUM_PHOTOGRAPHS = 8, 60
PHANTOM_PX, PHOTOGRAPH_PX, VIEW_PX = 96, 48, 32


class SmallEncoder(nn.Module):
    """Three convolutions, which learn in seconds what a ResNet needs minutes for."""

    num_features = 64

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for num_in, num_out in ((1, 16), (16, 32), (32, 64)):
            layers += [
                nn.Conv2d(num_in, num_out, 3, stride=2, padding=1),
                nn.BatchNorm2d(num_out),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return self.layers(views).flatten(1)


def _photograph(phantom: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side = int(rng.uniform(0.7, 1) * PHANTOM_PX)
    y, x = rng.integers(0, PHANTOM_PX - side + 1, 2)
    frame = Image.fromarray(phantom[y : y + side, x : x + side])
    small = frame.resize((PHOTOGRAPH_PX, PHOTOGRAPH_PX), Image.Resampling.BILINEAR)
    grey = (np.asarray(small) / 255) ** rng.uniform(0.6, 1.6) * rng.uniform(0.5, 1)
    noisy = grey + rng.normal(0, 0.08, grey.shape)
    return np.rint(255 * noisy.clip(0, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A third of them for training, the others for the test."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    rows = ["path,label,split"]
    for label in range(NUM_PHANTOMS):
        kind = ("chest", "knee")[label % 2]
        phantom = make_phantom(kind, label, height=PHANTOM_PX, width=PHANTOM_PX).image
        for number in range(NUM_PHOTOGRAPHS):
            name = f"{label}-{number}.png"
            Image.fromarray(_photograph(phantom, rng)).save(folder / name)
            rows.append(f"{name},{label},{('train', 'test', 'test')[number % 3]}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return Manifest.from_csv(folder / "labels.csv")


def _policy(method: str) -> ViewPolicy:
    """Two views; for DINO eight local ones besides, of a fifth of the frame and more."""
    look = Appearance(0.8, (0.6, 1.4), (0.6, 1.4), gamma=Change(0.5, (0.6, 1.6)))
    if method == "dino":
        policy = ViewPolicy.gca_dino(size=VIEW_PX, appearances=(look,), flip=0.0)
        changes = {"groups.1.size": 20, "groups.1.crop.size_range": (0.2, 0.6)}
        return policy.replace(**changes)
    crop = Crop(size_range=(0.4, 1.0))
    return ViewPolicy((ViewGroup(2, VIEW_PX, crop, appearances=(look,), flip=0.0),))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "num_epochs"),
    [("simclr", 40), ("moco", 40), ("byol", 80), ("vicreg", 40), ("dino", 40)],
)
def test_the_loss_falls_and_the_probe_beats_the_untrained_network(
    method: str,
    num_epochs: int,
    photographs: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (run_module, features_module, encoder_files):
        monkeypatch.setattr(module, "build_encoder", lambda config: SmallEncoder())
    policy = _policy(method)
    loader = GCALoader(
        photographs.where(split="train"),
        policy,
        "centre",
        batch_size=32,
        device="cpu",
        num_threads=1,
    )
    encoder = EncoderConfig.for_policy("resnet18", policy)
    config = PretrainConfig(method, encoder=encoder, num_epochs=num_epochs, device="cpu")
    done = pretrain(loader, config, tmp_path)
    with open(tmp_path / "logs" / "version_0" / "metrics.csv") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    # MoCo's queue is filled with noise at first, which is easy to tell from keys.
    start = losses[0] if method != "moco" else max(losses)
    assert losses[-1] < start - 0.2
    report = probe_checkpoint(
        done.checkpoint, photographs, ProbeConfig((1.0,), device="cpu"), UNTRAINED
    )
    difference = report["against"]["difference"]["1"]
    assert difference["accuracy"]["difference"] > 0, report
    assert difference["auc"]["ci95"][0] > 0, report
