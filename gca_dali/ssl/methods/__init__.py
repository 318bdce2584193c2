"""SimCLR, MoCo v2, BYOL, VICReg and DINO as Lightning modules, from lightly's heads and losses.

Enters: the views of each image, in groups. Leaves: a loss, and a number that falls to 0 where the
features collapse. Next: `pretrain` runs them; so does a Lightning `Trainer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gca_dali.ssl.methods.base import ContrastiveModule
from gca_dali.ssl.methods.byol import BYOL
from gca_dali.ssl.methods.dino import DINO
from gca_dali.ssl.methods.moco import MoCo
from gca_dali.ssl.methods.simclr import SimCLR
from gca_dali.ssl.methods.vicreg import VICReg
from gca_dali.ssl.methods.view_groups import take_views

if TYPE_CHECKING:
    from torch import nn

    from gca_dali.ssl.presets import MethodPreset

__all__ = [
    "BYOL",
    "DINO",
    "ContrastiveModule",
    "MoCo",
    "SimCLR",
    "VICReg",
    "build_method",
    "take_views",
]

METHOD_KINDS: dict[str, type[ContrastiveModule]] = {
    "simclr": SimCLR,
    "moco": MoCo,
    "byol": BYOL,
    "vicreg": VICReg,
    "dino": DINO,
}


def build_method(
    encoder: nn.Module,
    preset: MethodPreset,
    num_steps: int,
    batch_size: int,
    num_warmup_steps: int = 0,
) -> ContrastiveModule:
    """Put the heads of a method on an encoder.

    Parameters
    ----------
    encoder, preset, num_steps, batch_size, num_warmup_steps
        See `ContrastiveModule`.

    Returns
    -------
    ContrastiveModule
        `SimCLR`, `MoCo`, `BYOL`, `VICReg` or `DINO`.
    """
    return METHOD_KINDS[preset.method](
        encoder,
        preset,
        num_steps=num_steps,
        batch_size=batch_size,
        num_warmup_steps=num_warmup_steps,
    )
