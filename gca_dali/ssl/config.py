"""What a pre-training run is told, and what it asks of a loader.

Enters: names and numbers of the user. Leaves: a frozen `PretrainConfig`. Next: `run`, `pretrain`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.presets import find_preset

if TYPE_CHECKING:
    from gca_dali.policy.view_policy import ViewPolicy
    from gca_dali.steps.batch import ViewBatch


class HasBatchSize(Protocol):
    """Settings of a loader that name the images per batch of this process."""

    @property
    def batch_size(self) -> int:
        """Images per batch."""
        ...


class ResumableLoader(Protocol):
    """What pre-training asks of a loader; `gca_dali.GCALoader` has it."""

    @property
    def policy(self) -> ViewPolicy:
        """What is done to make the views."""
        ...

    @property
    def config(self) -> HasBatchSize:
        """Settings of the loader."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[ViewBatch]: ...

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration starts."""

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the epoch."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a position; the next iteration yields what was left."""


@dataclass(frozen=True)
class PretrainConfig:
    """What is trained, and how.

    Attributes
    ----------
    method, preset : str
        One of `METHODS` of `presets`; "small" or "published".
    encoder : EncoderConfig
        Encoder, channels and view size.
    num_epochs : int
        Length of the run and of its schedules.
    seed : int
        Of the initial weights.
    device, precision : str
        "auto", "cpu", "cuda"; "auto", "float32", "bfloat16".
    compile : bool
        Whether torch compiles the encoders.
    init : str or None
        What the encoder starts from: "imagenet" or a file, see `weights.start_from`. Not read by
        a resumed run.
    """

    method: str
    preset: str = "small"
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    num_epochs: int = 100
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    compile: bool = False
    init: str | None = None

    def __post_init__(self) -> None:
        """Refuse unknown names and an empty run."""
        find_preset(self.method, self.preset)
        if self.num_epochs < 1:
            raise ValueError(f"num_epochs must be ≥ 1, got {self.num_epochs}. Use 100 or so.")
