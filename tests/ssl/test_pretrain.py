"""The training loop on patterns in memory: resume, interrupts, logs, refusals."""

from __future__ import annotations

import csv
import itertools
import logging
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gca_dali.common.state import read_state
from gca_dali.ssl import run as run_module
from gca_dali.ssl.config import PretrainConfig
from gca_dali.ssl.encoder_files import read_encoder
from gca_dali.ssl.encoders import EncoderConfig, build_encoder
from gca_dali.ssl.meter import CollapseWatch
from gca_dali.ssl.methods import METHOD_KINDS
from gca_dali.ssl.presets import METHODS
from gca_dali.ssl.pretrain import PretrainResult, pretrain
from pretrain_loader import PatternLoader

NUM_BATCHES, NUM_EPOCHS = 4, 3


class TinyEncoder(nn.Module):
    """Two convolutions in place of a ResNet: the loop is what is tested."""

    num_features = 16

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=4),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return self.layers(views).flatten(1)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "build_encoder", lambda config: TinyEncoder())


def _config(method: str = "simclr", **options) -> PretrainConfig:
    encoder = EncoderConfig(view_size_px=32)
    settings = {"num_epochs": NUM_EPOCHS, "device": "cpu", "encoder": encoder}
    return PretrainConfig(method, **(settings | options))


def _loader(method: str = "simclr", **options) -> PatternLoader:
    """Two views, and three local ones for DINO."""
    num_locals = 3 if method == "dino" else 0
    return PatternLoader(num_images=64, batch_size=16, num_locals=num_locals, **options)


def _record(loader: PatternLoader) -> list[torch.Tensor]:
    """Keep every view that the loader makes from now on."""
    seen: list[torch.Tensor] = []
    make = loader._make_batch

    def keep(indices):
        batch = make(indices)
        seen.extend(batch.views)
        return batch

    loader._make_batch = keep
    return seen


def _stop_after(step: int):
    def stop(done: int, *_: object) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGINT)

    return stop


def _metrics(out: Path, version: int = 0) -> list[dict[str, str]]:
    with open(out / "logs" / f"version_{version}" / "metrics.csv") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stop", [1, 4, *np.random.default_rng(5).choice(11, 2) + 1])
def test_resume_is_exact_in_views_and_weights(method: str, stop: int, tmp_path: Path) -> None:
    whole = _loader(method)
    all_views = _record(whole)
    finished = pretrain(whole, _config(method), tmp_path / "whole")

    halted = pretrain(
        _loader(method), _config(method), tmp_path / "part", on_step=_stop_after(int(stop))
    )
    assert halted.interrupted and halted.num_steps == stop
    rest = _loader(method)
    rest_views = _record(rest)
    resumed = pretrain(
        rest, _config(method), tmp_path / "part", resume=tmp_path / "part" / "last.safetensors"
    )
    num_views = whole.policy.num_views
    assert len(rest_views) == num_views * (NUM_BATCHES * NUM_EPOCHS - stop)
    for one, other in zip(all_views[num_views * stop :], rest_views, strict=True):
        assert torch.equal(one, other)
    one, other = (read_state(item.checkpoint)["module"] for item in (finished, resumed))
    assert set(one) == set(other)
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_logs_and_result(tmp_path: Path) -> None:
    steps: list[int] = []
    result = pretrain(_loader(), _config(), tmp_path, on_step=lambda done, *_: steps.append(done))
    assert steps == list(range(1, 13))
    assert (result.num_epochs, result.num_steps, result.interrupted) == (3, 12, False)
    rows = _metrics(tmp_path)
    assert [int(row["step"]) for row in rows] == [4, 8, 10, 12]
    assert {"loss", "feature_std", "learning_rate", "images_per_second", "waiting_share"} <= set(
        rows[0]
    )
    assert result.numbers["loss"] == pytest.approx(float(rows[-1]["loss"]))
    assert 0 < result.numbers["waiting_share"] < 1
    assert list(tmp_path.glob("logs/version_0/events.out.tfevents*"))


@pytest.mark.parametrize(("method", "part"), [("simclr", "encoder"), ("dino", "slow_encoder")])
def test_the_checkpoint_holds_the_loader_and_the_encoder(
    method: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of DINO it is the teacher."""
    result = pretrain(_loader(method), _config(method, num_epochs=1), tmp_path)
    state = read_state(result.checkpoint)
    assert state["loader"] == {"epoch": 1, "num_done": 0}
    assert state["config"]["encoder"]["view_size_px"] == 32
    monkeypatch.setattr("gca_dali.ssl.encoder_files.build_encoder", lambda config: TinyEncoder())
    encoder, config = read_encoder(result.checkpoint)
    assert config == EncoderConfig(view_size_px=32) and not encoder.training
    weight = state["module"][f"{part}.layers.0.weight"]
    assert torch.equal(encoder.get_parameter("layers.0.weight"), weight)


def test_a_finished_run_resumes_to_itself(tmp_path: Path) -> None:
    first = pretrain(_loader(), _config(), tmp_path)
    again = pretrain(_loader(), _config(), tmp_path, resume=first.checkpoint)
    assert isinstance(again, PretrainResult) and again.num_steps == first.num_steps


def test_a_checkpoint_comes_with_the_first_step(tmp_path: Path) -> None:
    def fail(step: int, *_: object) -> None:
        if step == 2:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        pretrain(_loader(), _config(), tmp_path, on_step=fail)
    assert read_state(tmp_path / "last.safetensors")["batch"] == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_epochs": 5}, "num_epochs must be 3 as in the checkpoint, got 5"),
        ({"preset": "published"}, "preset must be small as in the checkpoint, got published"),
        ({"encoder": EncoderConfig(view_size_px=64)}, "encoder must be .* as in the checkpoint"),
    ],
)
def test_another_run_is_not_resumed(options: dict, message: str, tmp_path: Path) -> None:
    first = pretrain(_loader(), _config(), tmp_path)
    with pytest.raises(ValueError, match=message):
        pretrain(_loader(), _config(**options), tmp_path, resume=first.checkpoint)


def test_another_batch_size_and_a_foreign_checkpoint_are_not_resumed(tmp_path: Path) -> None:
    first = pretrain(_loader(), _config(), tmp_path)
    other = PatternLoader(num_images=64, batch_size=8)
    with pytest.raises(ValueError, match="batch_size must be 16 as in the checkpoint, got 8"):
        pretrain(other, _config(), tmp_path, resume=first.checkpoint)
    from gca_dali.common.state import write_state

    path = write_state(tmp_path / "x.safetensors", {"format": "other"})
    with pytest.raises(
        ValueError, match=r"checkpoint must be of format gca_dali.pretrain.2, got 'o"
    ):
        pretrain(_loader(), _config(), tmp_path, resume=path)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    loader = _loader()
    loader.images[:] = float("nan")
    with pytest.raises(RuntimeError, match=r"the loss must be finite, got nan. Lower the learning"):
        pretrain(loader, _config(), tmp_path)


def test_a_loader_that_ends_early_is_named(tmp_path: Path) -> None:
    class Short(PatternLoader):
        def __len__(self) -> int:
            return 5

        def __iter__(self):
            return itertools.islice(super().__iter__(), 4)

    with pytest.raises(RuntimeError, match="loader must yield 5 batches an epoch, got 4"):
        pretrain(Short(num_images=64, batch_size=16), _config(), tmp_path)


def test_an_empty_loader_and_an_empty_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="loader must hold at least one batch, got 0"):
        pretrain(PatternLoader(num_images=8, batch_size=16), _config(), tmp_path)
    with pytest.raises(ValueError, match="num_epochs must be ≥ 1, got 0"):
        _config(num_epochs=0)


def test_collapse_is_told_once_with_advice(caplog: pytest.LogCaptureFixture) -> None:
    watch = CollapseWatch("byol", 100, "feature_std", 0.05)
    with caplog.at_level(logging.WARNING, "gca_dali"):
        watch.look(5, 0.001)
        watch.look(10, 0.001)
        watch.look(20, 0.4)
        watch.look(30, 0.001)
        assert not caplog.records
        for step in (40, 50, 60):
            watch.look(step, 0.001)
    (record,) = caplog.records
    assert "feature_std must stay above 0.05, got 0.001 at step 40" in record.getMessage()
    assert "Use a lower learning rate" in record.getMessage()


def test_compiled_and_halved_runs_save_the_same_names(tmp_path: Path, monkeypatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(TinyEncoder, "compile", lambda self: compiled.append(self), raising=False)
    plain = pretrain(_loader(), _config("byol", num_epochs=1), tmp_path / "plain")
    other = pretrain(
        _loader(),
        _config("byol", num_epochs=1, compile=True, precision="bfloat16"),
        tmp_path / "other",
    )
    assert len(compiled) == 2
    one, two = (read_state(item.checkpoint)["module"] for item in (plain, other))
    assert list(one) == list(two)
    assert all(two[name].dtype == one[name].dtype for name in one)


@pytest.mark.parametrize(("method", "spread"), [("vicreg", 0.01), ("dino", 0.001)])
def test_a_collapse_of_each_method_is_told(
    method: str, spread: float, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch
) -> None:
    kind = METHOD_KINDS[method]
    monkeypatch.setattr(kind, "measure_spread", lambda self, embedding: torch.tensor(spread))
    with caplog.at_level(logging.WARNING, "gca_dali"):
        pretrain(_loader(method), _config(method), tmp_path)
    (record,) = caplog.records
    assert f"{kind.spread_name} must stay above {kind.collapsed_below:g}" in record.getMessage()


def test_a_policy_of_one_global_view_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="num_views of the first group must be at least 2"):
        pretrain(_loader(num_views=1), _config(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_local_views_that_the_encoder_cannot_take_are_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(run_module, "build_encoder", build_encoder)
    config = _config("dino", encoder=EncoderConfig("mixer_s16_224", view_size_px=32))
    with pytest.raises(ValueError, match=r"sizes that mixer_s16_224 takes, got 16 px"):
        pretrain(_loader("dino"), config, tmp_path)


def test_a_run_starts_from_weights_and_resumes_without_them(tmp_path: Path) -> None:
    first = pretrain(_loader(), _config(num_epochs=1), tmp_path / "first")
    config = _config("byol", init=str(first.checkpoint))
    method: Any = run_module.PretrainRun(_loader(), config).method
    weights = read_state(first.checkpoint)["module"]
    for name, value in method.encoder.state_dict().items():
        assert torch.equal(value, weights[f"encoder.{name}"]), name
    fast, slow = (part.layers[0].weight for part in (method.encoder, method.slow_encoder))
    assert torch.equal(fast, slow)
    halted = pretrain(_loader(), config, tmp_path / "second", on_step=_stop_after(2))
    again = run_module.PretrainRun(_loader(), _config("byol"))
    again.restore(read_state(halted.checkpoint))
    assert again.config.init == str(first.checkpoint)
