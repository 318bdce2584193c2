"""Settings of the five methods: as published, and for small data.

Enters: the names of a method and a preset. Leaves: frozen settings that `methods` builds from.
The learning rate is stated per batch size, so that it is known once the global batch is.
"""

from __future__ import annotations

import math

from gca_dali.ssl.settings import (
    METHODS,
    DinoSettings,
    MethodPreset,
    OptimizerPreset,
    refuse_unknown,
)

PRESETS = ("small", "published")

__all__ = ["METHODS", "PRESETS", "MethodPreset", "OptimizerPreset", "find_preset"]

_SGD_SMALL = OptimizerPreset("sgd", 0.06, "linear", 5e-4)

_PRESETS = {
    # Chen et al. 2020, arXiv 2002.05709, section 2 and appendix B.
    ("simclr", "published"): MethodPreset(
        "simclr", OptimizerPreset("lars", 0.075, "square_root", 1e-6, 10), 2048, 128
    ),
    # On 5,778 knees of 64 px, batch 256, ten epochs, a linear probe's AUC of KL ≥ 2 is 0.72; it is
    # 0.68 with SGD 0.06 and a temperature of 0.5, and 0.66 untrained.
    ("simclr", "small"): MethodPreset(
        "simclr",
        OptimizerPreset("adamw", 2e-3 / math.sqrt(256), "square_root", 1e-4, 2),
        512,
        128,
        temperature=0.2,
    ),
    # Chen et al. 2020, arXiv 2003.04297; queue and shuffling of He et al. 2020, arXiv 1911.05722.
    ("moco", "published"): MethodPreset(
        "moco",
        OptimizerPreset("sgd", 0.03, "linear", 1e-4),
        2048,
        128,
        temperature=0.2,
        momentum=(0.999, 0.999),
        num_negatives=65536,
        batch_norm="shuffled",
    ),
    ("moco", "small"): MethodPreset(
        "moco",
        _SGD_SMALL,
        512,
        128,
        temperature=0.1,
        momentum=(0.99, 0.99),
        num_negatives=4096,
    ),
    # Grill et al. 2020, arXiv 2006.07733, section 3.3.
    ("byol", "published"): MethodPreset(
        "byol",
        OptimizerPreset("lars", 0.2, "linear", 1.5e-6, 10),
        4096,
        256,
        momentum=(0.996, 1.0),
    ),
    # AdamW 4e-3 at batch 512 as McGIP on knees; its rate follows the root of the batch (Malladi et
    # al. 2022, arXiv 2205.10287). A faster slow copy for fewer steps.
    ("byol", "small"): MethodPreset(
        "byol",
        OptimizerPreset("adamw", 4e-3 / math.sqrt(512), "square_root", 1e-4, 10),
        1024,
        256,
        momentum=(0.97, 1.0),
    ),
    # Bardes et al. 2022, arXiv 2105.04906, section 4.2; the loss weighs its terms 25 : 25 : 1.
    ("vicreg", "published"): MethodPreset(
        "vicreg", OptimizerPreset("lars", 0.2, "linear", 1e-6, 10), 8192, 8192
    ),
    ("vicreg", "small"): MethodPreset(
        "vicreg", OptimizerPreset("adamw", 1e-3 / math.sqrt(256), "square_root", 1e-4, 10), 512, 512
    ),
    # Caron et al. 2021, arXiv 2104.14294, section 3.2, for ViTs and 100 epochs: the teacher's
    # temperature rises for 30 of them, the last layer is held for one.
    ("dino", "published"): MethodPreset(
        "dino",
        OptimizerPreset("adamw", 5e-4, "linear", 0.04, 10),
        2048,
        65536,
        temperature=0.1,
        momentum=(0.996, 1.0),
        dino=DinoSettings(),
    ),
    # A teacher that follows within the steps of a short run. On 160 photographs of phantoms a
    # temperature of 0.07 ended in uniform outputs, and batch norm in the head tells images apart.
    ("dino", "small"): MethodPreset(
        "dino",
        OptimizerPreset("adamw", 5e-3 / math.sqrt(256), "square_root", 0.04, 10),
        512,
        1024,
        temperature=0.1,
        momentum=(0.97, 1.0),
        dino=DinoSettings(
            teacher_temperature=(0.04, 0.04), last_weight_decay=0.04, head_batch_norm=True
        ),
    ),
}


def find_preset(method: str, preset: str) -> MethodPreset:
    """Return the settings of a method.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    preset : str
        "published": the paper's settings for ImageNet. "small": for thousands of images, batches
        of tens to hundreds and runs of tens of epochs.

    Returns
    -------
    MethodPreset
        Settings to hand to `gca_dali.ssl.methods.build_method`.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    refuse_unknown("method", method, METHODS)
    refuse_unknown("preset", preset, PRESETS)
    return _PRESETS[method, preset]
