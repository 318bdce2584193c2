"""Frozen features: an encoder, run over every image once.

Enters: an encoder and a manifest. Leaves: one feature vector per image. Next:
`linear` fits on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from gca_dali.common.progress import track
from gca_dali.loader import GCALoader
from gca_dali.policy.group import ViewGroup
from gca_dali.policy.parts import Crop
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.ssl.encoders import EncoderConfig, build_encoder, num_features_of
from gca_dali.ssl.processes import choose_training_device

if TYPE_CHECKING:
    from torch import nn

    from gca_dali.data.manifest import Manifest


def build_untrained(config: EncoderConfig, seed: int) -> nn.Module:
    """Build the same encoder with fresh weights: what pre-training must beat."""
    torch.manual_seed(seed)
    return build_encoder(config).eval()


def load_whole_images(
    manifest: Manifest, config: EncoderConfig, batch_size: int, device: str
) -> GCALoader:
    """Load every image once, whole and as it is, in the size and values that the encoder knows.

    Parameters
    ----------
    manifest : Manifest
        Rows to read.
    config : EncoderConfig
        Of the encoder.
    batch_size : int
        Images per batch.
    device : str
        "auto", "cpu" or "cuda".

    Returns
    -------
    GCALoader
        One view per image, in the order of the rows; unreadable images are left out.
    """
    whole = Crop(size_by="zoom", size_range=(1.0, 1.0))
    policy = ViewPolicy(
        (ViewGroup(1, config.view_size_px, whole, flip=0.0),),
        channels=config.num_channels,
        mean=config.mean,
        deviation=config.deviation,
    )
    return GCALoader(
        manifest,
        policy,
        batch_size=batch_size,
        device=device,
        shuffle=False,
        drop_last=False,
    )


def extract_features(
    encoder: nn.Module,
    config: EncoderConfig,
    manifest: Manifest,
    batch_size: int,
    device: str,
    shown: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Run an encoder over every image of a manifest.

    Parameters
    ----------
    encoder : torch.nn.Module
        Maps [B, C, H, W] to [B, D].
    config : EncoderConfig
        What it was built from.
    manifest : Manifest
        N rows to read.
    batch_size : int
        Images per batch.
    device : str
        "auto", "cpu" or "cuda".
    shown : bool
        Whether a bar tells how far it is.

    Returns
    -------
    tuple of numpy.ndarray
        Features, float32, [N, D], and whether each row could be read, bool, [N].
    """
    chosen = choose_training_device(device)
    encoder = encoder.to(chosen).eval()
    loader = load_whole_images(manifest, config, batch_size, device)
    features = np.zeros((len(manifest), num_features_of(encoder)), np.float32)
    seen = np.zeros(len(manifest), bool)
    with torch.inference_mode():
        for batch in track(loader, len(loader), "features") if shown else loader:
            rows = batch.index.cpu().numpy()
            features[rows] = encoder(batch.views[0].to(chosen).float()).float().cpu().numpy()
            seen[rows] = True
    return features, seen
