"""The loader in the hands of other libraries: lightly, Lightning, solo-learn, plain PyTorch."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import lightning
import pytest
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from safetensors.torch import load_file
from torch import nn

from gca_dali import adapters
from gca_dali.data.manifest import Manifest
from gca_dali.loader import GCALoader
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.ssl.lightning_io import SafetensorsIO
from gca_dali.ssl.methods import SimCLR
from gca_dali.ssl.presets import find_preset


class TinyEncoder(nn.Module):
    """One convolution in place of a ResNet."""

    num_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return self.layers(views).flatten(1)


def _loader(manifest: Manifest) -> GCALoader:
    policy = ViewPolicy.gca(size=32)
    return GCALoader(manifest, policy, "centre", batch_size=10, device="cpu", num_threads=1)


def test_the_loop_of_lightlys_simclr_tutorial(phantom_manifest: Manifest) -> None:
    dataloader = adapters.lightly(_loader(phantom_manifest))
    backbone = TinyEncoder()
    projection_head = SimCLRProjectionHead(8, 8, 16)
    criterion = NTXentLoss(temperature=0.5)
    parameters = [*backbone.parameters(), *projection_head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.06)
    paths: list[str] = []
    for (x0, x1), targets, filenames in dataloader:
        z0, z1 = projection_head(backbone(x0)), projection_head(backbone(x1))
        loss = criterion(z0, z1)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        assert loss.isfinite() and targets.shape == (10,)
        paths += filenames
    assert sorted(paths) == sorted(phantom_manifest.path.tolist())


def test_solo_learns_batch(phantom_manifest: Manifest) -> None:
    # solo.methods.base.BaseMethod.training_step: `_, X, targets = batch`, one tensor per crop.
    dataloader = adapters.solo_learn(_loader(phantom_manifest))
    assert len(dataloader) == 4
    for batch in dataloader:
        assert isinstance(batch, list)
        indexes, crops, targets = batch
        assert isinstance(crops, list) and [c.shape for c in crops] == [(10, 1, 32, 32)] * 2
        assert indexes.dtype == targets.dtype == torch.int64
        assert torch.equal(targets, torch.from_numpy(phantom_manifest.label)[indexes])


class Recorder(lightning.Callback):
    """Keeps the windows of every step."""

    def __init__(self) -> None:
        self.windows: list[torch.Tensor] = []

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        self.windows.append(batch.windows.clone())


def _fit(manifest: Manifest, num_epochs: int, path: Path | None = None, **options):
    torch.manual_seed(0)
    module = SimCLR(TinyEncoder(), find_preset("simclr", "small"), num_steps=8, batch_size=10)
    recorder = Recorder()
    trainer = lightning.Trainer(
        max_epochs=num_epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[recorder, *options.pop("callbacks", [])],
        **options,
    )
    trainer.fit(module, datamodule=adapters.lightning(_loader(manifest)), ckpt_path=path)
    return trainer, recorder.windows


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_lightning_trainer_takes_the_data_module(
    precision: str, phantom_manifest: Manifest
) -> None:
    trainer, windows = _fit(phantom_manifest, 2, precision=precision)
    assert trainer.global_step == 8
    expected = []
    loader = _loader(phantom_manifest)
    for epoch in range(2):
        loader.set_epoch(epoch)
        expected += [batch.windows.clone() for batch in loader]
    assert all(torch.equal(a, b) for a, b in zip(windows, expected, strict=True))
    assert {"loss", "feature_std"} <= set(trainer.logged_metrics)


def test_overfit_batches_repeats_its_batches(phantom_manifest: Manifest) -> None:
    _, windows = _fit(phantom_manifest, 3, overfit_batches=2)
    assert len(windows) == 6
    for epoch in (1, 2):
        assert all(torch.equal(windows[i], windows[2 * epoch + i]) for i in range(2))
    assert not torch.equal(windows[0], windows[1])


class SaveAt(lightning.Callback):
    """Saves after a step, in the middle of an epoch."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def test_a_trainer_resumes_from_safetensors_where_it_was(
    phantom_manifest: Manifest, tmp_path: Path
) -> None:
    path = tmp_path / "middle.safetensors"
    _, windows = _fit(phantom_manifest, 2, plugins=[SafetensorsIO()], callbacks=[SaveAt(6, path)])
    assert "state_dict.encoder.layers.0.weight" in load_file(path)
    trainer, rest = _fit(phantom_manifest, 2, path, plugins=[SafetensorsIO()])
    assert trainer.global_step == 8 and len(rest) == 2
    assert all(torch.equal(a, b) for a, b in zip(windows[6:], rest, strict=True))


def test_a_plain_pytorch_loop(phantom_folder: Path) -> None:
    path = Path(__file__).resolve().parents[2] / "examples" / "plain_pytorch.py"
    example = runpy.run_path(str(path))
    losses = example["main"](str(phantom_folder), num_epochs=2, size=32, batch_size=20)
    assert len(losses) == 2 and all(0 < loss < 10 for loss in losses)


def test_the_readme_shows_lines_of_that_loop() -> None:
    root = Path(__file__).resolve().parents[2]
    block = re.search(
        r"```python no-run\n( +policy = .*?)```", (root / "README.md").read_text(), re.DOTALL
    )
    assert block is not None
    lines = (root / "examples" / "plain_pytorch.py").read_text().splitlines()
    shown = block[1].splitlines()
    assert len(shown) > 8 and [line for line in shown if line not in lines] == []
