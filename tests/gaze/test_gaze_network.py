"""Network, loss and augmentation of the predictor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gca_dali.gaze import metrics
from gca_dali.gaze.augment import Augmentation
from gca_dali.gaze.network import GazeNetwork, NetworkConfig, saliency_loss

TINY = NetworkConfig(decoder_channels=(32, 24, 16), input_px=64, map_px=16)


@pytest.mark.parametrize("config", [TINY, NetworkConfig(input_px=96, map_px=64)])
def test_network_gives_a_map_of_logits(config: NetworkConfig) -> None:
    network = GazeNetwork(config).eval()
    images = torch.rand(2, 1, config.input_px, config.input_px)
    assert network(images).shape == (2, config.map_px, config.map_px)


def test_network_ignores_brightness_and_contrast() -> None:
    torch.manual_seed(0)
    network = GazeNetwork(TINY).eval()
    images = torch.rand(3, 1, 64, 64)
    with torch.inference_mode():
        np.testing.assert_allclose(network(images), network(images * 0.2 + 0.3), atol=1e-3)


def test_loss_agrees_with_the_metrics() -> None:
    rng = np.random.default_rng(0)
    logits, recorded = rng.normal(size=(2, 4, 9, 7))
    recorded = np.exp(recorded) * (recorded > 0)
    recorded /= recorded.sum((1, 2), keepdims=True)
    kld, correlation = saliency_loss(torch.from_numpy(logits), torch.from_numpy(recorded))
    for i in range(4):
        p = np.exp(logits[i])
        assert kld[i].item() == pytest.approx(metrics.kld(p, recorded[i]), abs=1e-6)
        assert correlation[i].item() == pytest.approx(metrics.cc(p, recorded[i]), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_px": 100}, "input_px must be a positive multiple of 32, got 100"),
        ({"encoder": "hf-hub:somebody/model"}, "encoder must be one of tu-mobilenet"),
        ({"decoder_channels": ()}, r"decoder_channels must be 1 to 5 positive numbers, got \(\)"),
        ({"map_px": 0}, "map_px must be positive, got 0"),
    ],
)
def test_config_refuses(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**options)


# Augmentation


def test_no_augmentation_changes_nothing() -> None:
    still = Augmentation(False, 0, 0, 0, 0, 0, 0, 0)
    images, maps = torch.rand(3, 1, 32, 32), torch.rand(3, 8, 8)
    maps /= maps.sum((1, 2), keepdim=True)
    moved, saliency = still.apply(images, maps, torch.Generator().manual_seed(0))
    torch.testing.assert_close(moved, images, atol=1e-5, rtol=0)
    torch.testing.assert_close(saliency, maps, atol=1e-5, rtol=0)


def test_image_and_map_move_together() -> None:
    strong = Augmentation(True, 0.15, 0.2, 30, 0.05, 0.1, 0.1, 0)
    v, u = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    blob = torch.exp(-((v - 25) ** 2 + (u - 40) ** 2) / 18).expand(40, 64, 64)
    generator = torch.Generator().manual_seed(0)
    images, maps = strong.apply(blob[:, None], blob / blob[0].sum(), generator)
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(40))
    places = [plane.flatten(1).argmax(1) for plane in (images[:, 0], maps)]
    rows, columns = ((places[0] // 64 - places[1] // 64), (places[0] % 64 - places[1] % 64))
    assert rows.abs().max() <= 1 and columns.abs().max() <= 1
    assert len(places[1].unique()) > 30


def test_flip_only_where_it_is_allowed() -> None:
    half = torch.zeros(64, 8, 8)
    half[:, :, :4] = 1 / 32
    for flip, expected in ((False, 0), (True, 32)):
        change = Augmentation(flip, 0, 0, 0, 0, 0, 0, 0)
        maps = change.apply(half[:, None], half, torch.Generator().manual_seed(0))[1]
        num_flipped = int((maps[:, :, 7].sum(1) > 0.1).sum())
        assert abs(num_flipped - expected) <= (14 if flip else 0)


def test_augmentation_refuses() -> None:
    with pytest.raises(ValueError, match="zoom must be at least 0, got -1"):
        Augmentation(zoom=-1)
    with pytest.raises(ValueError, match="invert must be a probability, got 2"):
        Augmentation(invert=2)


# Predictor
