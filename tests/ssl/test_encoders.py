from __future__ import annotations

import pytest
import torch

from gca_dali.ssl.encoders import EncoderConfig, build_encoder


@pytest.mark.parametrize(
    ("name", "num_features"),
    [("resnet18", 512), ("resnet34", 512), ("resnet50", 2048), ("vit_small", 384)],
)
@pytest.mark.parametrize("num_channels", [1, 3])
def test_maps_views_to_features(name: str, num_features: int, num_channels: int) -> None:
    encoder = build_encoder(EncoderConfig(name, num_channels, 32)).eval()
    with torch.inference_mode():
        features = encoder(torch.zeros(2, num_channels, 32, 32))
    assert features.shape == (2, num_features)
    assert encoder.num_features == num_features


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "vgg"}, "encoder must be one of resnet18, .* got 'vgg'"),
        ({"num_channels": 2}, "num_channels must be 1 or 3, got 2"),
        ({"view_size_px": 16}, "view_size_px must be at least 32, got 16"),
        ({"name": "vit_small", "view_size_px": 100}, "multiple of 16 .* got 100. Use 96"),
    ],
)
def test_refuses(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EncoderConfig(**options)
