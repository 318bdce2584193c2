"""What a study runs: arms × methods × seeds, and how each cell is trained and judged.

Enters: a small JSON file. Leaves: a checked `StudyConfig` and its cells in the order they run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arms import UNTRAINED, split_name
from datasets import DATASETS

from gca_dali.common.checks import check_at_least, check_choice, check_probability
from gca_dali.ssl.presets import METHODS, PRESETS
from gca_dali.ssl.probe import MODES


@dataclass(frozen=True)
class Cell:
    """One run: an arm, a method and a seed."""

    arm: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.arm}-{self.method}-{self.seed}"


@dataclass(frozen=True)
class StudyConfig:
    """A study.

    Attributes
    ----------
    name : str
        Of the study and the folder of its results.
    data : str
        "knees" or "phantoms".
    arms, methods, seeds : tuple
        Their product is run, seed by seed, so that all arms have one seed before any has two.
    encoder, size_px : str, int
        The network, and the side of a view.
    num_images : int
        Training images to pre-train on (whole patients, drawn once); 0 for all. Probes always
        draw their labels from the whole training split.
    num_epochs, batch_size, preset : int, int, str
        Of pre-training.
    fractions, modes : tuple
        Shares of the labels; "linear" and "finetune".
    num_finetune_epochs : int
    """

    name: str
    data: str
    arms: tuple[str, ...]
    methods: tuple[str, ...] = ("simclr",)
    seeds: tuple[int, ...] = (0, 1, 2)
    encoder: str = "test_byobnet"
    size_px: int = 64
    num_images: int = 0
    num_epochs: int = 40
    batch_size: int = 256
    preset: str = "small"
    fractions: tuple[float, ...] = (0.1, 1.0)
    modes: tuple[str, ...] = ("linear",)
    num_finetune_epochs: int = 30

    def __post_init__(self) -> None:
        """Refuse what no cell can be made of."""
        for kind, values, allowed in (
            ("data", (self.data,), DATASETS),
            ("methods", self.methods, METHODS),
            ("modes", self.modes, MODES),
            ("preset", (self.preset,), PRESETS),
        ):
            if not values:
                raise ValueError(f"{kind} must hold at least one name, got none. Name some.")
            for value in values:
                check_choice(kind, value, allowed)
        if not self.arms:
            raise ValueError("arms must hold at least one name, got none. Name some.")
        for arm in self.arms:
            split_name(arm)
        for share in self.fractions:
            check_probability("fractions", share)
        for name in ("num_epochs", "batch_size", "size_px", "num_finetune_epochs"):
            check_at_least(name, getattr(self, name), 1)
        check_at_least("num_images", self.num_images, 0)

    @classmethod
    def read(cls, path: Path) -> StudyConfig:
        """Read a JSON file.

        Raises
        ------
        ValueError
            If a key is unknown or a value out of range.
        """
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        unknown = set(found) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(
                f"{path} must hold only {', '.join(cls.__dataclass_fields__)}, got "
                f"{', '.join(sorted(unknown))}. Correct the name."
            )
        found = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
        return cls(**found)

    def cells(self) -> Iterator[Cell]:
        """Yield the cells; the untrained network has no method and runs once per seed."""
        for seed in self.seeds:
            for method in self.methods:
                for arm in self.arms:
                    if arm != UNTRAINED:
                        yield Cell(arm, method, seed)
                    elif method == self.methods[0]:
                        yield Cell(arm, "none", seed)
