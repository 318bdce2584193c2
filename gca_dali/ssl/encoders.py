"""Encoders: ResNet-18/34/50 and ViT-S that take grey (or three-channel) views.

Enters: a name, channels and the size of a view. Leaves: a module [B, C, H, W] → [B, D] whose
`num_features` is D. Next: `methods` puts heads on it, `features` reads it for the probe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from gca_dali.policy.view_policy import ViewPolicy

TIMM_NAME_OF = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "vit_small": "vit_small_patch16_224",
}
_PATCH_PX = 16


@dataclass(frozen=True)
class EncoderConfig:
    """What must be known to build an encoder again from a checkpoint.

    Attributes
    ----------
    name : str
        "resnet18", "resnet34", "resnet50" or "vit_small".
    num_channels : int
        Channels of a view: 1 (grey) or 3.
    view_size_px : int
        Height and width of a view; a multiple of 16 for "vit_small", at least 32 for all.
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
        if self.name not in TIMM_NAME_OF:
            listed = ", ".join(TIMM_NAME_OF)
            raise ValueError(
                f"encoder must be one of {listed}, got {self.name!r}. Choose one of these."
            )
        if self.num_channels not in (1, 3):
            raise ValueError(
                f"num_channels must be 1 or 3, got {self.num_channels}. X-rays are grey: use 1."
            )
        if self.view_size_px < 32:
            raise ValueError(
                f"view_size_px must be at least 32, got {self.view_size_px}. Use larger views."
            )
        if self.name.startswith("vit") and self.view_size_px % _PATCH_PX:
            raise ValueError(
                f"view_size_px must be a multiple of {_PATCH_PX} for {self.name}, "
                f"got {self.view_size_px}. Use {_round_to_patch(self.view_size_px)}."
            )


def build_encoder(config: EncoderConfig) -> nn.Module:
    """Build a randomly initialised encoder from timm.

    Parameters
    ----------
    config : EncoderConfig
        Name, channels and view size.

    Returns
    -------
    torch.nn.Module
        Maps views [B, C, H, W] to pooled features [B, D]; D is `module.num_features`.
    """
    import timm

    if config.name.startswith("vit"):
        # ResNets take any size; the position table of a ViT does not.
        options: dict[str, Any] = {"img_size": config.view_size_px}
    else:
        # As in torchvision. With zeros an untrained ResNet is little but its stem.
        options = {"zero_init_last": False}
    return timm.create_model(
        TIMM_NAME_OF[config.name], in_chans=config.num_channels, num_classes=0, **options
    )


def num_features_of(encoder: nn.Module) -> int:
    """Return D, the length of a feature vector, of an encoder with the attribute `num_features`."""
    return int(getattr(encoder, "num_features"))  # noqa: B009  no base class declares it


def _round_to_patch(size_px: int) -> int:
    return max(2, round(size_px / _PATCH_PX)) * _PATCH_PX
