"""What a method is told beside its encoder: optimiser, sizes, temperatures, momentum.

Enters: numbers. Leaves: frozen settings that refuse what no run can use. Next: `presets`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

METHODS = ("simclr", "moco", "byol", "vicreg", "dino")
OPTIMIZERS = ("sgd", "lars", "adamw")
RATE_LAWS = ("linear", "square_root")
BATCH_NORMS = ("synchronised", "shuffled")


def refuse_unknown(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ValueError unless a value is one of those allowed."""
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
        refuse_unknown("optimizer", self.name, OPTIMIZERS)
        refuse_unknown("rate_law", self.rate_law, RATE_LAWS)
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
class DinoSettings:
    """What DINO has beside the settings of all methods.

    Attributes
    ----------
    teacher_temperature : tuple of float
        At the first step, and after the warm-up.
    temperature_warmup_share, frozen_share : float
        Shares of the run in which that temperature rises, and in which the last layer is held.
    last_weight_decay : float
        Decay at the end of the run (cosine from that of the optimiser).
    max_gradient_norm : float
        To which the gradient of each parameter is clipped.
    bottleneck_dim : int
        Size of the layer before the last.
    head_batch_norm : bool
        Whether the head has batch norm: for encoders that have it too.
    center_momentum : float
        Of the mean that is taken off the teacher's outputs.
    """

    teacher_temperature: tuple[float, float] = (0.04, 0.07)
    temperature_warmup_share: float = 0.3
    frozen_share: float = 0.01
    last_weight_decay: float = 0.4
    max_gradient_norm: float = 3.0
    bottleneck_dim: int = 256
    head_batch_norm: bool = False
    center_momentum: float = 0.9


@dataclass(frozen=True)
class MethodPreset:
    """Everything that a method needs beside its encoder.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    optimizer : OptimizerPreset
        Optimiser, learning rate, decay and warm-up.
    hidden_dim, output_dim : int
        Sizes of the projection head (and of BYOL's prediction head).
    temperature : float
        Temperature of the contrastive loss, or of DINO's student; BYOL and VICReg have none.
    momentum : tuple of float
        Momentum of the slow copy of the encoder at the first and the last step (cosine between).
    num_negatives : int
        Length of MoCo's queue; cut to a quarter of the images of an epoch.
    batch_norm : str
        Under more than one process: "synchronised" statistics over all of them, or MoCo's
        "shuffled" keys with statistics per process.
    dino : DinoSettings or None
        What DINO alone has.
    """

    method: str
    optimizer: OptimizerPreset
    hidden_dim: int
    output_dim: int
    temperature: float = 0.1
    momentum: tuple[float, float] = (1.0, 1.0)
    num_negatives: int = 0
    batch_norm: str = "synchronised"
    dino: DinoSettings | None = None

    def __post_init__(self) -> None:
        """Refuse unknown names and numbers out of range."""
        refuse_unknown("method", self.method, METHODS)
        refuse_unknown("batch_norm", self.batch_norm, BATCH_NORMS)
        if self.temperature <= 0:
            raise ValueError(
                f"temperature must be > 0, got {self.temperature}. 0.1 to 0.5 is usual."
            )
        if not all(0 <= m <= 1 for m in self.momentum):
            raise ValueError(
                f"momentum must lie in [0, 1], got {self.momentum}. 0.99 to 1 is usual."
            )
        if (self.dino is None) == (self.method == "dino"):
            raise ValueError(
                f"dino must be settings for method dino alone, got {self.dino} for {self.method}. "
                "Begin with find_preset."
            )
