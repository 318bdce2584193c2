from __future__ import annotations

import pytest
import torch

from gca_dali.ssl.encoders import EncoderConfig, build_encoder, check_view_sizes


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
        ({"name": "resnet19"}, "must be a name that timm knows, got 'resnet19'. The .* resnet18"),
        ({"name": "vit_smal"}, "got 'vit_smal'. The nearest are vit_small"),
        ({"num_channels": 2}, "num_channels must be 1 or 3, got 2"),
        ({"view_size_px": 16}, "view_size_px must be at least 32, got 16"),
        ({"name": "vit_small", "view_size_px": 100}, "multiple of 16 .* got 100. Use 96"),
    ],
)
def test_refuses(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EncoderConfig(**options)


def test_vits_take_local_views_and_their_size_is_tried() -> None:
    config = EncoderConfig("vit_tiny_patch16_224", view_size_px=64)
    encoder = build_encoder(config)
    check_view_sizes(encoder, config, [64, 32])
    assert encoder.training
    with torch.inference_mode():
        assert encoder(torch.zeros(2, 1, 32, 32)).shape == (2, 192)
    with pytest.raises(
        ValueError, match=r"sizes that vit_tiny_patch16_224 takes, got 40 px \(.*\)"
    ):
        check_view_sizes(encoder, config, [64, 40])


def test_locals_for_an_encoder_of_one_size_are_refused() -> None:
    config = EncoderConfig("mixer_s16_224", view_size_px=64)
    with pytest.raises(ValueError, match=r"mixer_s16_224 takes, got 32 px .* such as resnet18"):
        check_view_sizes(build_encoder(config), config, [64, 32])
