"""The predictor's network: a U-Net whose decoder ends where the map's resolution is reached.

Enters: a batch of square images. Leaves: logits of the saliency map; their softmax over all cells
is the map. Next: `predictor` wraps it, `fit` trains it.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

ENCODERS = (
    "tu-mobilenetv3_small_100",
    "mobilenet_v2",
    "efficientnet-b0",
    "resnet18",
    "resnet34",
)
"""Encoders of segmentation-models-pytorch that a predictor may name; a closed list, because other
names can make the library fetch files."""


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network.

    Attributes
    ----------
    encoder : str
        One of `ENCODERS`; trained from scratch.
    decoder_channels : tuple of int
        Channels of the decoder's blocks, each twice the resolution of the one before; 3 blocks end
        at a quarter of the input's resolution.
    input_px : int
        Side of the input, a multiple of 32.
    map_px : int
        Rows and columns of the map.
    """

    encoder: str = "tu-mobilenetv3_small_100"
    decoder_channels: tuple[int, ...] = (64, 48, 32)
    input_px: int = 224
    map_px: int = 64

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if self.encoder not in ENCODERS:
            raise ValueError(
                f"encoder must be one of {', '.join(ENCODERS)}, got {self.encoder!r}. Pick one."
            )
        if self.input_px < 32 or self.input_px % 32:
            raise ValueError(
                f"input_px must be a positive multiple of 32, got {self.input_px}. Use 224."
            )
        if not 1 <= len(self.decoder_channels) <= 5 or min(self.decoder_channels) < 1:
            raise ValueError(
                f"decoder_channels must be 1 to 5 positive numbers, got {self.decoder_channels}. "
                f"Use (64, 48, 32)."
            )
        if self.map_px < 1:
            raise ValueError(f"map_px must be positive, got {self.map_px}. Use 64.")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary that JSON can hold."""
        return asdict(self) | {"decoder_channels": list(self.decoder_channels)}


class GazeNetwork(nn.Module):
    """U-Net from images to logits.

    Parameters
    ----------
    config : NetworkConfig
        Shape of the network.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        import segmentation_models_pytorch as smp

        self.config = config
        num_blocks = len(config.decoder_channels)
        # The library wants a channel count for every block; those beyond ours are removed.
        channels = (*config.decoder_channels, *([config.decoder_channels[-1]] * (5 - num_blocks)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            unet = smp.Unet(
                config.encoder,
                encoder_weights=None,
                decoder_channels=channels,
                in_channels=1,
                classes=1,
            )
        self.encoder = unet.encoder
        self.decoder = unet.decoder
        self.decoder.blocks = self.decoder.blocks[:num_blocks]
        self.head = nn.Conv2d(config.decoder_channels[-1], 1, kernel_size=3, padding=1)
        # A fifth to a third faster on a CPU: 27 → 19 ms per image and training step at 128 px.
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of the maps.

        Parameters
        ----------
        images : torch.Tensor, float32, [B, 1, input_px, input_px]
            Any brightness and contrast: each image is standardised by itself.

        Returns
        -------
        torch.Tensor, float32, [B, map_px, map_px]
        """
        mean = images.mean((1, 2, 3), keepdim=True)
        spread = images.std((1, 2, 3), keepdim=True, correction=0)
        standard = (images - mean) / (spread + 1e-5)
        features = self.encoder(standard.contiguous(memory_format=torch.channels_last))
        logits = self.head(self.decoder(features))
        side = (self.config.map_px, self.config.map_px)
        return functional.interpolate(logits, side, mode="bilinear", align_corners=False)[:, 0]


def add_counters(network: GazeNetwork, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Add the batch counters of the normalisation layers, which are not stored, to weights."""
    counters = {
        name: value for name, value in network.state_dict().items() if not value.is_floating_point()
    }
    return tensors | counters


def saliency_loss(logits: torch.Tensor, recorded: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Compare predicted and recorded maps: KL divergence minus correlation.

    Parameters
    ----------
    logits : torch.Tensor, float32, [B, mh, mw]
        Of the network; the spatial softmax P is taken here.
    recorded : torch.Tensor, float32, [B, mh, mw]
        Maps Q that each sum to 1.

    Returns
    -------
    kld, correlation : torch.Tensor, float32, [B]
        Σ Q log(Q / P) in nats and Pearson's correlation of P and Q; the loss is their difference.
    """
    log_p = torch.log_softmax(logits.flatten(1), dim=1)
    q = recorded.flatten(1)
    kld = (torch.xlogy(q, q) - q * log_p).sum(1)
    p = log_p.exp()
    a, b = p - p.mean(1, keepdim=True), q - q.mean(1, keepdim=True)
    correlation = (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt().clamp_min(1e-12)
    return kld, correlation
