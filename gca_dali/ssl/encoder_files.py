"""Encoders as files of their own: timm's names in safetensors, or ONNX.

Enters: `last.safetensors` of a run, or what was exported. Leaves: an encoder that runs, its
weights, or a file for other programs.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gca_dali.common.state import METADATA_KEY, read_header, read_state, write_whole
from gca_dali.ssl.encoders import EncoderConfig, build_encoder

if TYPE_CHECKING:
    from torch import Tensor, nn

CONFIG_KEY = "gca_dali_encoder"
SUFFIXES = (".safetensors", ".onnx")
_PREFIX = "encoder."
# DINO's features are its teacher's (Caron et al., 2021).
_PREFIX_OF_DINO = "slow_encoder."


def load_encoder(path: str | Path) -> nn.Module:
    """Load a pre-trained encoder; `gca_dali.load_encoder`.

    Parameters
    ----------
    path : str or Path
        `last.safetensors` of a run, or a safetensors file of `gca-dali export`.

    Returns
    -------
    torch.nn.Module
        Maps views [B, C, H, W] to features [B, D], in evaluation mode on the CPU. Its attribute
        `encoder_config` says which channels, size, mean and deviation the views had.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it is of another kind.

    Examples
    --------
    >>> encoder = load_encoder("run/last.safetensors")  # doctest: +SKIP
    >>> encoder(torch.zeros(4, 1, 224, 224)).shape  # doctest: +SKIP
    torch.Size([4, 512])
    """
    encoder, config = read_encoder(path)
    encoder.encoder_config = config  # pyright: ignore[reportArgumentType]
    return encoder


def read_encoder(path: str | Path) -> tuple[nn.Module, EncoderConfig]:
    """Return the encoder of a file, and what it was built from; see `load_encoder`.

    Parameters
    ----------
    path : str or Path
        See `load_encoder`.

    Returns
    -------
    tuple of torch.nn.Module and EncoderConfig
        The encoder in evaluation mode on the CPU.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it is of another kind.
    """
    weights, fields = _read(Path(path))
    if fields is None:
        raise ValueError(
            f"checkpoint must be of gca-dali pretrain, got {path} without an encoder. "
            "Name its last.safetensors."
        )
    config = EncoderConfig(**fields)
    encoder = build_encoder(config)
    encoder.load_state_dict(weights)
    return encoder.eval(), config


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the encoder's weights by timm's names, from any safetensors file that holds them.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it is no safetensors file.
    """
    return _read(path)[0]


def export_encoder(path: str | Path, out: str | Path) -> EncoderConfig:
    """Write the encoder of a run to a file that needs nothing of ours.

    Parameters
    ----------
    path : str or Path
        `last.safetensors` of a run.
    out : str or Path
        `.safetensors`: timm's names, what `timm.create_model(..., num_classes=0)` loads strictly.
        `.onnx`: input "views" [B, C, H, W] of any B, output "features" [B, D].

    Returns
    -------
    EncoderConfig
        Name, channels, size and normalisation; the file's metadata holds them too.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such checkpoint, or no such kind of file.
    """
    out = Path(out)
    if out.suffix not in SUFFIXES:
        raise ValueError(f"out must end in .safetensors or .onnx, got {out}. Rename it.")
    encoder, config = read_encoder(path)
    told = json.dumps(asdict(config))
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".onnx":
        _write_onnx(encoder, config, out, told)
    else:
        weights = {name: value.contiguous() for name, value in encoder.state_dict().items()}
        write_whole(out, weights, {CONFIG_KEY: told, "format": "pt"})
    return config


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Return an encoder's weights, and the fields of its config where the file has them."""
    from safetensors.torch import load_file

    header = read_header(path)
    if METADATA_KEY not in header:
        fields = json.loads(header[CONFIG_KEY]) if CONFIG_KEY in header else None
        return load_file(path), fields
    state = read_state(path)
    prefix = _PREFIX_OF_DINO if state.get("config", {}).get("method") == "dino" else _PREFIX
    weights = {
        name.removeprefix(prefix): value
        for name, value in state.get("module", {}).items()
        if name.startswith(prefix)
    }
    return weights, state.get("config", {}).get("encoder")


def _write_onnx(encoder: nn.Module, config: EncoderConfig, out: Path, told: str) -> None:
    import onnxscript  # noqa: F401  torch names its absence in other words than Python does
    import torch

    side = config.view_size_px
    views = torch.zeros(2, config.num_channels, side, side)
    program = torch.onnx.export(
        encoder,
        (views,),
        dynamo=True,
        input_names=["views"],
        output_names=["features"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props[CONFIG_KEY] = told
    program.save(out)
