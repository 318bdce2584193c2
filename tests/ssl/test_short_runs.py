"""Runs of few steps: saved, learning, diverging and resumed as long ones are."""

from __future__ import annotations

import os
import signal
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gca_dali.common.state import read_state, write_state
from gca_dali.ssl import pretrain as training_loop
from gca_dali.ssl import run as run_module
from gca_dali.ssl.config import PretrainConfig
from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.presets import METHODS, find_preset
from gca_dali.ssl.pretrain import pretrain
from pretrain_loader import PatternLoader


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


def _config(num_epochs: int, method: str = "simclr") -> PretrainConfig:
    encoder = EncoderConfig(view_size_px=32)
    return PretrainConfig(method, encoder=encoder, num_epochs=num_epochs, device="cpu")


def _loader() -> PatternLoader:
    """One batch an epoch."""
    return PatternLoader(num_images=16, batch_size=16)


@pytest.mark.parametrize(("every_seconds", "expected"), [(1000.0, [1, 4]), (-1.0, [1, 2, 3, 4])])
def test_epochs_of_one_batch_are_saved_at_the_first_step_and_when_it_is_time(
    every_seconds: float, expected: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[tuple[int, int]] = []

    def write(path: Path, state: dict[str, Any], way_on: str) -> Path:
        saved.append((state["epoch"], state["batch"]))
        return write_state(path, state, way_on)

    monkeypatch.setattr(training_loop, "write_state", write)
    monkeypatch.setattr(training_loop, "_CHECKPOINT_EVERY_SECONDS", every_seconds)
    pretrain(_loader(), _config(4), tmp_path)
    assert saved == [(epoch, 0) for epoch in expected]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("num_steps", [1, 2])
def test_the_first_step_of_a_short_run_trains(method: str, num_steps: int, tmp_path: Path) -> None:
    config = _config(num_steps, method)
    start = run_module.PretrainRun(_loader(), config).method.state_dict()
    done = pretrain(_loader(), config, tmp_path)
    name = "encoder.layers.0.weight"
    assert not torch.equal(read_state(done.checkpoint)["module"][name], start[name])


def test_a_preset_whose_numbers_have_changed_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pretrain(_loader(), _config(2), tmp_path)
    preset = find_preset("simclr", "small")
    optimizer = replace(preset.optimizer, weight_decay=0.5)
    monkeypatch.setattr(
        run_module, "find_preset", lambda *names: replace(preset, optimizer=optimizer)
    )
    message = "preset.optimizer.weight_decay must be 0.0001 as in the checkpoint, got 0.5"
    with pytest.raises(ValueError, match=message):
        pretrain(_loader(), _config(2), tmp_path, resume=first.checkpoint)


def test_dropout_is_resumed_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(config: EncoderConfig) -> nn.Module:
        encoder = TinyEncoder()
        encoder.layers.append(nn.Dropout(0.5))
        return encoder

    def stop(done: int, *_: object) -> None:
        if done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(run_module, "build_encoder", build)
    whole = pretrain(_loader(), _config(4), tmp_path / "whole")
    halted = pretrain(_loader(), _config(4), tmp_path / "part", on_step=stop)
    assert halted.num_steps == 2
    resumed = pretrain(_loader(), _config(4), tmp_path / "part", resume=halted.checkpoint)
    one, other = (read_state(done.checkpoint)["module"] for done in (whole, resumed))
    for name in one:
        assert torch.equal(one[name], other[name]), name


@pytest.mark.parametrize("interrupted", [False, True])
def test_weights_that_are_not_finite_replace_no_checkpoint(
    interrupted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_loop, "_CHECKPOINT_EVERY_SECONDS", -1.0)
    loader = PatternLoader(num_images=64, batch_size=16)

    def spoil(step: int, num_steps: int, numbers: dict[str, float]) -> None:
        if step == 2:
            loader.images[:] = float("nan")
        if step == 3 and interrupted:
            signal.raise_signal(signal.SIGINT)

    with nullcontext() if interrupted else pytest.raises(RuntimeError, match="must be finite"):
        pretrain(loader, _config(3), tmp_path, on_step=spoil)
    state = read_state(tmp_path / "last.safetensors")
    assert all(value.isfinite().all() for value in state["module"].values())
    assert state["batch"] == 2
