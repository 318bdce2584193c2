"""Settings of SimCLR, MoCo v2 and BYOL: as published, and for small data.

Enters: the names of a method and a preset. Leaves: frozen settings that `methods` builds from.
The learning rate is stated per batch size, so that it is known once the global batch is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

METHODS = ("simclr", "moco", "byol")
PRESETS = ("small", "published")
OPTIMIZERS = ("sgd", "lars", "adamw")
RATE_LAWS = ("linear", "square_root")
BATCH_NORMS = ("synchronised", "shuffled")


def _refuse_unknown(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        listed = ", ".join(allowed)
        raise ValueError(f"{name} must be one of {listed}, got {value!r}. Choose one of these.")


@dataclass(frozen=True)
class OptimizerPreset:
    """An optimiser and how its learning rate follows the batch size.

    Attributes
    ----------
    name : str
        "sgd" (momentum 0.9), "lars" (momentum 0.9) or "adamw".
    base_rate : float
        Learning rate for a batch of 256 under the linear law, for a batch of 1 under the square
        root law.
    rate_law : str
        "linear": rate = base_rate · B / 256. "square_root": rate = base_rate · √B.
    weight_decay : float
        Decay of weights; biases and norm layers have none, and LARS leaves them unscaled.
    num_warmup_epochs : float
        Linear warm-up, cut to a tenth of the run where the run is short.
    """

    name: str
    base_rate: float
    rate_law: str
    weight_decay: float
    num_warmup_epochs: float = 0.0

    def __post_init__(self) -> None:
        """Refuse unknown names and negative numbers."""
        _refuse_unknown("optimizer", self.name, OPTIMIZERS)
        _refuse_unknown("rate_law", self.rate_law, RATE_LAWS)
        for field in ("base_rate", "weight_decay", "num_warmup_epochs"):
            value = getattr(self, field)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(
                    f"{field} must be a finite number ≥ 0, got {value}. Check the preset."
                )

    def learning_rate(self, batch_size: int) -> float:
        """Return the peak learning rate for a global batch.

        Parameters
        ----------
        batch_size : int
            Images per step over all processes.

        Returns
        -------
        float
            Learning rate after the warm-up.
        """
        if self.rate_law == "linear":
            return self.base_rate * batch_size / 256
        return self.base_rate * math.sqrt(batch_size)


@dataclass(frozen=True)
class MethodPreset:
    """Everything that a method needs beside its encoder.

    Attributes
    ----------
    method : str
        "simclr", "moco" or "byol".
    optimizer : OptimizerPreset
        Optimiser, learning rate, decay and warm-up.
    hidden_dim, output_dim : int
        Sizes of the projection head (and of BYOL's prediction head).
    temperature : float
        Temperature of the contrastive loss; BYOL has none and ignores it.
    momentum : tuple of float
        Momentum of the slow copy of the encoder at the first and the last step (cosine between).
    num_negatives : int
        Length of MoCo's queue; cut to the images of one epoch.
    batch_norm : str
        Under more than one process: "synchronised" statistics over all of them, or MoCo's
        "shuffled" keys with statistics per process.
    """

    method: str
    optimizer: OptimizerPreset
    hidden_dim: int
    output_dim: int
    temperature: float = 0.1
    momentum: tuple[float, float] = (1.0, 1.0)
    num_negatives: int = 0
    batch_norm: str = "synchronised"

    def __post_init__(self) -> None:
        """Refuse unknown names and numbers out of range."""
        _refuse_unknown("method", self.method, METHODS)
        _refuse_unknown("batch_norm", self.batch_norm, BATCH_NORMS)
        if self.temperature <= 0:
            raise ValueError(
                f"temperature must be > 0, got {self.temperature}. 0.1 to 0.5 is usual."
            )
        if not all(0 <= m <= 1 for m in self.momentum):
            raise ValueError(
                f"momentum must lie in [0, 1], got {self.momentum}. 0.99 to 1 is usual."
            )


_SGD_SMALL = OptimizerPreset("sgd", 0.06, "linear", 5e-4)

_PRESETS = {
    # Chen et al. 2020, arXiv 2002.05709, section 2 and appendix B.
    ("simclr", "published"): MethodPreset(
        "simclr", OptimizerPreset("lars", 0.075, "square_root", 1e-6, 10), 2048, 128
    ),
    ("simclr", "small"): MethodPreset("simclr", _SGD_SMALL, 512, 128, temperature=0.5),
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
}


def find_preset(method: str, preset: str) -> MethodPreset:
    """Return the settings of a method.

    Parameters
    ----------
    method : str
        "simclr", "moco" or "byol".
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
    _refuse_unknown("method", method, METHODS)
    _refuse_unknown("preset", preset, PRESETS)
    return _PRESETS[method, preset]
