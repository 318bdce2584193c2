"""Encoders: any of timm's, for grey (or three-channel) views.

Enters: a name, channels and the size of a view. Leaves: a module [B, C, H, W] → [B, D] whose
`num_features` is D. Next: `methods` puts heads on it, `features` reads it for the probe.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from gca_dali.policy.view_policy import ViewPolicy

_SHORT_NAMES = {"vit_small": "vit_small_patch16_224"}


@dataclass(frozen=True)
class EncoderConfig:
    """What must be known to build an encoder again from a checkpoint.

    Attributes
    ----------
    name : str
        One of timm's, such as "resnet18"; "vit_small" is short for "vit_small_patch16_224".
    num_channels : int
        Channels of a view: 1 (grey) or 3.
    view_size_px : int
        Height and width of a (global) view; a multiple of the patch for ViTs, at least 32.
    mean, deviation : float
        Of the normalisation that the views had.
    """

    name: str = "resnet18"
    num_channels: int = 1
    view_size_px: int = 224
    mean: float = 0.5
    deviation: float = 0.25

    @classmethod
    def for_policy(cls, name: str, policy: ViewPolicy) -> EncoderConfig:
        """Return the config of an encoder that takes the views of a policy."""
        return cls(name, policy.channels, policy.size, policy.mean, policy.deviation)

    def __post_init__(self) -> None:
        """Refuse names, channels and sizes that no encoder takes."""
        _refuse_unknown_name(self.name)
        if self.num_channels not in (1, 3):
            raise ValueError(
                f"num_channels must be 1 or 3, got {self.num_channels}. X-rays are grey: use 1."
            )
        if self.view_size_px < 32:
            raise ValueError(
                f"view_size_px must be at least 32, got {self.view_size_px}. Use larger views."
            )
        patch = re.search(r"patch(\d+)", self.timm_name)
        patch_px = int(patch[1]) if patch else 1
        if self.view_size_px % patch_px:
            fitting_px = max(2, round(self.view_size_px / patch_px)) * patch_px
            raise ValueError(
                f"view_size_px must be a multiple of {patch_px} for {self.name}, "
                f"got {self.view_size_px}. Use {fitting_px}."
            )

    @property
    def timm_name(self) -> str:
        """The name that timm knows."""
        return _SHORT_NAMES.get(self.name, self.name)


def build_encoder(config: EncoderConfig) -> nn.Module:
    """Build a randomly initialised encoder from timm.

    Parameters
    ----------
    config : EncoderConfig
        Name, channels and view size.

    Returns
    -------
    torch.nn.Module
        Maps views [B, C, H, W] to pooled features [B, D]; D is `module.num_features`. ViTs take
        views of other sizes too: timm resamples their position table.
    """
    import timm

    name = config.timm_name
    settings: dict[str, Any] = {"in_chans": config.num_channels, "num_classes": 0}
    if timm.models.model_entrypoint(name).__module__ == "timm.models.resnet":
        # As in torchvision. With zeros an untrained ResNet is little but its stem.
        return timm.create_model(name, zero_init_last=False, **settings)
    look = timm.get_pretrained_cfg(name)
    if look is None or not look.fixed_input_size:
        return timm.create_model(name, **settings)
    settings["img_size"] = config.view_size_px
    try:
        return timm.create_model(name, dynamic_img_size=True, **settings)
    except TypeError:  # the family takes one size alone
        return timm.create_model(name, **settings)


def check_view_sizes(encoder: nn.Module, config: EncoderConfig, sizes_px: Iterable[int]) -> None:
    """Refuse views of sizes that an encoder cannot take, by trying one of each.

    Parameters
    ----------
    encoder : torch.nn.Module
        On the CPU; left as it is.
    config : EncoderConfig
        What it was built from.
    sizes_px : iterable of int
        Heights and widths of all views.

    Raises
    ------
    ValueError
        If a size is refused by the encoder.
    """
    import torch

    was_training = encoder.training
    encoder.eval()
    for size_px in sorted(set(sizes_px)):
        view = torch.zeros(1, config.num_channels, size_px, size_px)
        try:
            with torch.inference_mode():
                encoder(view)
        except (AssertionError, RuntimeError, ValueError) as error:
            told = str(error).strip().splitlines()[0].rstrip(".") if str(error) else "no"
            raise ValueError(
                f"views must have sizes that {config.name} takes, got {size_px} px ({told}). Use "
                "another size, or an encoder that takes any, such as resnet18."
            ) from error
    encoder.train(was_training)


def num_features_of(encoder: nn.Module) -> int:
    """Return D, the length of a feature vector, of an encoder with the attribute `num_features`."""
    return int(getattr(encoder, "num_features"))  # noqa: B009  no base class declares it


def _refuse_unknown_name(name: str) -> None:
    import timm

    if not timm.is_model(_SHORT_NAMES.get(name, name)):
        known = [*_SHORT_NAMES, *timm.list_models()]
        near = ", ".join(difflib.get_close_matches(name, known, n=3, cutoff=0.0))
        raise ValueError(
            f"encoder must be a name that timm knows, got {name!r}. The nearest are {near}."
        )
