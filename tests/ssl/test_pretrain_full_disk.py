"""Pre-training on a disk that fills up: one line, an older checkpoint that is whole, and on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gca_dali.common.disk import FullDiskError
from gca_dali.common.state import read_state
from gca_dali.ssl import pretrain as training_loop
from gca_dali.ssl import run as run_module
from gca_dali.ssl.config import PretrainConfig
from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.pretrain import pretrain
from pretrain_loader import PatternLoader
from small_disk import small_disk


class TinyEncoder(nn.Module):
    """One convolution in place of a ResNet."""

    num_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 5, stride=4), nn.AdaptiveAvgPool2d(1))

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return self.layers(views).flatten(1)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "build_encoder", lambda config: TinyEncoder())
    monkeypatch.setattr(training_loop, "_CHECKPOINT_EVERY_SECONDS", 0.0)


def train(out: Path, resume: Path | None = None):
    config = PretrainConfig(
        "simclr", num_epochs=2, device="cpu", encoder=EncoderConfig(view_size_px=32)
    )
    return pretrain(PatternLoader(num_images=64, batch_size=16), config, out, resume)


def fill(folder: Path) -> Path:
    """Write until nothing fits any more."""
    filler = folder / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def test_a_disk_that_is_full_from_the_start(tmp_path):
    with small_disk(tmp_path / "disk", 64) as mounted:
        filler = fill(mounted.folder)
        with pytest.raises(FullDiskError, match=r"disk must have room for .*--resume") as caught:
            train(mounted.folder)
        assert "\n" not in str(caught.value)
        filler.unlink()
        mounted.grow(20_000)
        assert train(mounted.folder).num_epochs == 2


def test_a_disk_that_fills_up_on_the_way_keeps_the_last_checkpoint(tmp_path):
    with small_disk(tmp_path / "disk", 20_000) as mounted:
        write, filled = training_loop.write_state, []

        def write_then_fill(*arguments):
            if len(list(mounted.folder.glob("*.safetensors"))) and not filled:
                filled.append(fill(mounted.folder))
            return write(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training_loop, "write_state", write_then_fill)
            with pytest.raises(FullDiskError, match=r"the same command with --resume goes on"):
                train(mounted.folder)
        checkpoint = mounted.folder / "last.safetensors"
        assert read_state(checkpoint)["batch"] == 1
        filled[0].unlink()
        assert train(mounted.folder, checkpoint).num_steps == 8
