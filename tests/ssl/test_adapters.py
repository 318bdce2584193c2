"""The loader in the hands of other libraries: lightly, Lightning, solo-learn, DINO, PyTorch."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from safetensors.torch import load_file
from torch import nn
from torchvision.transforms.v2.functional import resized_crop

from gca_dali import adapters
from gca_dali.data.manifest import Manifest
from gca_dali.loader import GCALoader
from gca_dali.policy.parts import Appearance
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


def _multi_crop(manifest: Manifest, **changes: object) -> GCALoader:
    policy = ViewPolicy.gca_dino(size=56, **changes)
    return GCALoader(manifest, policy, "centre", batch_size=10, device="cpu", num_threads=1)


def test_dinos_flat_list_has_the_globals_first(phantom_manifest: Manifest) -> None:
    # main_dino.train_one_epoch: `for it, (images, _)`, then teacher(images[:2]), student(images).
    expected = next(iter(_multi_crop(phantom_manifest)))
    dataloader = adapters.dino(_multi_crop(phantom_manifest))
    assert len(dataloader) == 4
    crops, labels = next(iter(dataloader))
    assert isinstance(crops, list)
    assert [c.shape[-1] for c in crops] == [56] * 2 + [24] * 8
    assert all(torch.equal(a, b) for a, b in zip(crops, expected.views, strict=True))
    assert torch.equal(labels, torch.from_numpy(phantom_manifest.label)[expected.index])


def test_dalis_dict_has_a_key_per_view(phantom_manifest: Manifest) -> None:
    [data] = next(iter(adapters.dali(_multi_crop(phantom_manifest))))
    assert [data[f"view_{v}"].shape[-1] for v in range(10)] == [56] * 2 + [24] * 8
    assert "view_10" not in data and data["label"].shape == (10,)
    assert data["windows"].shape == (10, 10, 4) and data["flipped"].shape == (10, 10)


def test_lightlys_and_solo_learns_batches_hold_all_views(phantom_manifest: Manifest) -> None:
    views, targets, filenames = next(iter(adapters.lightly(_multi_crop(phantom_manifest))))
    assert [v.shape[-1] for v in views] == [56] * 2 + [24] * 8
    assert len(targets) == len(filenames) == 10
    _, crops, _ = next(iter(adapters.solo_learn(_multi_crop(phantom_manifest))))
    assert all(torch.equal(a, b) for a, b in zip(crops, views, strict=True))


def test_lightly_trains_geometries_find_the_views_again(phantom_manifest: Manifest) -> None:
    # Plain views: what lies in a window, resized and mirrored, is the view.
    plain = {"law": "free", "focus": False, "appearances": (Appearance(),), "rotation": 0.0}
    loader = _multi_crop(phantom_manifest, **plain)
    batch = next(iter(adapters.lightly_train(loader)))
    assert set(batch) == {"filename", "views", "geometries"}
    assert len(batch["views"]) == len(batch["geometries"]) == 10
    assert {float(g[b, 6]) for g in batch["geometries"] for b in range(10)} == {0.0, 1.0}
    paths = phantom_manifest.path.tolist()
    errors, mirrored = [], []
    for view, geometry in zip(batch["views"], batch["geometries"], strict=True):
        assert geometry.shape == (10, 8)
        for b, name in enumerate(batch["filename"]):
            row = paths.index(name)
            image = torch.from_numpy(phantom_manifest.read(row).copy())[None] / 255.0
            x0, y0, x1, y1, width, height, hflip, vflip = geometry[b].tolist()
            assert [height, width] == list(image.shape[1:]) and vflip == 0.0
            place = (round(y0), round(x0), round(y1 - y0), round(x1 - x0))
            size = list(view.shape[2:])
            expected = resized_crop(image, *place, size, antialias=True)
            expected = expected.flip(-1) if hflip else expected
            shown = view[b] * loader.policy.deviation + loader.policy.mean
            errors.append((shown - expected).abs().mean())
            mirrored.append((shown - expected.flip(-1)).abs().mean())
    # Windows begin within pixels, the crops of this test at their edges.
    assert torch.stack(errors).mean() < 0.02 and max(errors) < 0.08
    assert torch.stack(mirrored).mean() > 3 * torch.stack(errors).mean()


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
    """Saves after a step, within an epoch or behind its last batch, or when that epoch ends."""

    def __init__(self, step: int, path: Path, at_end: bool = False) -> None:
        self.step, self.path, self.at_end = step, path, at_end

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        self._save(trainer, at_end=False)

    def on_train_epoch_end(self, trainer, module) -> None:
        self._save(trainer, at_end=True)

    def _save(self, trainer, at_end: bool) -> None:
        if trainer.global_step == self.step and at_end == self.at_end:
            trainer.save_checkpoint(self.path)


@pytest.mark.parametrize(("step", "at_end"), [(6, False), (4, False), (4, True)])
@pytest.mark.parametrize("limit", ["max_epochs", "max_steps"])
def test_a_trainer_resumes_from_safetensors_where_it_was(
    step: int, at_end: bool, limit: str, phantom_manifest: Manifest, tmp_path: Path
) -> None:
    path = tmp_path / "middle.safetensors"
    options: dict[str, Any] = {"num_epochs": 2}
    if limit == "max_steps":
        options = {"max_steps": 8, "num_epochs": -1}
    options |= {"plugins": [SafetensorsIO()]}
    save = SaveAt(step, path, at_end)
    _, windows = _fit(phantom_manifest, callbacks=[save], **options)
    assert "state_dict.encoder.layers.0.weight" in load_file(path)
    trainer, rest = _fit(phantom_manifest, path=path, **options)
    assert trainer.global_step == 8 and len(rest) == 8 - step
    assert all(torch.equal(a, b) for a, b in zip(windows[step:], rest, strict=True))


def test_a_plain_pytorch_loop(phantom_folder: Path) -> None:
    path = Path(__file__).resolve().parents[2] / "examples" / "plain_pytorch.py"
    example = runpy.run_path(str(path))
    losses = example["main"](str(phantom_folder), num_epochs=2, size=32, batch_size=20)
    assert len(losses) == 2 and all(0 < loss < 10 for loss in losses)


def test_the_manual_shows_that_loop() -> None:
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "trainers.md").read_text(encoding="utf-8")
    block = re.search(r'```python title="plain_pytorch.py"\n(.*?)```', page, re.DOTALL)
    assert block is not None
    assert block[1] == (root / "examples" / "plain_pytorch.py").read_text(encoding="utf-8")
