"""Frozen features: the encoder of a checkpoint, run over every image once.

Enters: a checkpoint, and batches of single views. Leaves: one feature vector per image. Next:
`linear` fits on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gca_dali.progress import track
from gca_dali.ssl.checkpoint import read_state
from gca_dali.ssl.encoders import EncoderConfig, build_encoder

if TYPE_CHECKING:
    from torch import nn

    from gca_dali.batch import ViewBatch

_PREFIX = "encoder."


def load_encoder(checkpoint: str | Path) -> tuple[nn.Module, EncoderConfig]:
    """Build the encoder that a pre-training run has saved.

    Parameters
    ----------
    checkpoint : str or Path
        `last.safetensors` of a run.

    Returns
    -------
    tuple of torch.nn.Module and EncoderConfig
        The encoder in evaluation mode on the CPU, and what it was built from.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such checkpoint, or it is of another kind.
    """
    state = read_state(checkpoint)
    config = _encoder_config(state, checkpoint)
    encoder = build_encoder(config)
    weights = {
        name.removeprefix(_PREFIX): value
        for name, value in state["module"].items()
        if name.startswith(_PREFIX)
    }
    encoder.load_state_dict(weights)
    return encoder.eval(), config


def build_untrained(config: EncoderConfig, seed: int) -> nn.Module:
    """Build the same encoder with fresh weights: what pre-training must beat."""
    torch.manual_seed(seed)
    return build_encoder(config).eval()


def extract_features(
    encoder: nn.Module, batches: Iterable[ViewBatch], num_rows: int, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Run an encoder over the first view of every image.

    Parameters
    ----------
    encoder : torch.nn.Module
        Maps [B, C, H, W] to [B, D].
    batches : iterable of ViewBatch
        Views without augmentation, in any order; every image at least once, unless it cannot be
        read.
    num_rows : int
        Rows of the manifest.
    device : str
        "cpu" or "cuda".

    Returns
    -------
    tuple of numpy.ndarray
        Features, float32, [num_rows, D], and whether each row was seen, bool, [num_rows].
    """
    encoder = encoder.to(device).eval()
    features = np.zeros((num_rows, encoder.num_features), np.float32)  # pyright: ignore
    seen = np.zeros(num_rows, bool)
    with torch.inference_mode():
        for batch in track(batches, -(-num_rows // 32), "features"):
            rows = batch.index.cpu().numpy()
            features[rows] = encoder(batch.views[0].to(device).float()).float().cpu().numpy()
            seen[rows] = True
    return features, seen


def _encoder_config(state: dict[str, Any], checkpoint: str | Path) -> EncoderConfig:
    try:
        return EncoderConfig(**state["config"]["encoder"])
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"checkpoint must be of gca-dali pretrain, got {checkpoint} without an encoder. "
            "Name its last.safetensors."
        ) from error
