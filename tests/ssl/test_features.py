from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gca_dali.common.state import write_state
from gca_dali.data.manifest import Manifest
from gca_dali.image.read import read_image
from gca_dali.ssl.encoder_files import read_encoder
from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.features import (
    build_untrained,
    extract_features,
    load_whole_images,
)


class Corners(nn.Module):
    """Shows what it was given: the mean and four corner pixels."""

    num_features = 5

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        corners = views[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
        return torch.cat([views.mean((1, 2, 3)).unsqueeze(1), corners], 1)


def test_whole_images_are_neither_cropped_nor_changed(phantom_manifest: Manifest) -> None:
    config = EncoderConfig(view_size_px=64, mean=0.0, deviation=1.0)
    (batch,) = load_whole_images(phantom_manifest.take([3, 5]), config, 8, "cpu")
    for row, file in enumerate(phantom_manifest.take([3, 5]).files):
        image = read_image(file) / 255
        np.testing.assert_allclose(batch.views[0][row, 0].numpy(), image, atol=2 / 255)


def test_features_follow_the_rows(phantom_manifest: Manifest) -> None:
    config = EncoderConfig(view_size_px=32)
    whole, seen = extract_features(Corners(), config, phantom_manifest, 7, "cpu")
    assert whole.shape == (40, 5) and seen.all()
    few, _ = extract_features(Corners(), config, phantom_manifest.take([9, 2]), 7, "cpu")
    np.testing.assert_allclose(few, whole[[9, 2]], atol=1e-6)


def test_an_unreadable_image_is_reported(phantom_manifest: Manifest, tmp_path: Path) -> None:
    for file in phantom_manifest.files[:6]:
        (tmp_path / Path(file).name).write_bytes(Path(file).read_bytes())
    manifest = Manifest.from_folder(tmp_path)
    bad = Path(manifest.files[4])
    bad.write_bytes(bad.read_bytes()[:60])
    _, seen = extract_features(Corners(), EncoderConfig(view_size_px=32), manifest, 4, "cpu")
    assert seen.tolist() == [True, True, True, True, False, True]


def test_an_encoder_comes_back_from_its_checkpoint(tmp_path: Path) -> None:
    config = EncoderConfig("resnet18", 3, 32)
    encoder = build_untrained(config, seed=1)
    module = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    module["projection.weight"] = torch.ones(1)
    state = {"config": {"encoder": dataclasses.asdict(config)}, "module": module}
    loaded, found = read_encoder(write_state(tmp_path / "x.safetensors", state))
    assert found == config
    views = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(loaded(views), encoder(views))


def test_a_checkpoint_without_an_encoder_is_refused(tmp_path: Path) -> None:
    path = write_state(tmp_path / "x.safetensors", {"config": {}})
    message = r"checkpoint must be of gca-dali pretrain, got .* without"
    with pytest.raises(ValueError, match=message):
        read_encoder(path)
