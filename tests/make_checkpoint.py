"""A checkpoint of an untrained encoder, for tests of what is done with one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from gca_dali.common.state import write_state
from gca_dali.ssl.encoders import EncoderConfig, build_encoder


def write_checkpoint(folder: Path, config: EncoderConfig) -> Path:
    """Write what a run would save of an encoder whose norms have seen something."""
    torch.manual_seed(0)
    encoder = build_encoder(config).train()
    with torch.no_grad():
        encoder(torch.randn(4, config.num_channels, config.view_size_px, config.view_size_px))
    module = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    module["projection.weight"] = torch.ones(1)
    state = {"config": {"encoder": asdict(config)}, "module": module}
    return write_state(folder / "last.safetensors", state)
