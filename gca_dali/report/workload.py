"""What every loader of a benchmark does, so that all do the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.data.rows import COLUMNS
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.steps.device import CPU

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.policy.group import ViewGroup
    from gca_dali.steps.saliency import SaliencySource


@dataclass(frozen=True)
class Workload:
    """What every loader does.

    Attributes
    ----------
    manifest : Manifest
    saliency : SaliencySource
    batch_size, num_threads : int
    device : str
        "cpu" or "cuda:N".
    num_views, size : int
        Of the views of `gca_relative`, which hide nothing, where there is no policy.
    policy : ViewPolicy or None
        What the loader of this project makes; the rivals make views of the same numbers, sizes and
        areas.
    """

    manifest: Manifest
    saliency: SaliencySource = "centre"
    batch_size: int = 32
    num_views: int = 2
    size: int = 224
    num_threads: int = 2
    device: str = CPU
    policy: ViewPolicy | None = None

    @cached_property
    def made(self) -> ViewPolicy:
        """The policy of this project's loader."""
        if self.policy is not None:
            return self.policy
        return ViewPolicy.gca_relative(size=self.size, num_views=self.num_views)

    @property
    def groups(self) -> tuple[ViewGroup, ...]:
        """The views that every loader makes."""
        return self.made.groups

    @cached_property
    def files(self) -> list[str]:
        """Absolute paths."""
        return self.manifest.files

    @property
    def deep(self) -> bool:
        """Whether images are decoded to 16 bits."""
        return bool((self.manifest.bits > 8).any())

    @property
    def white(self) -> float:
        """The greatest value of a decoded image."""
        return 65535.0 if self.deep else 255.0

    @property
    def dali_options(self) -> dict[str, Any]:
        """Options of a DALI pipeline."""
        device_id = None if self.device == CPU else int(self.device.removeprefix("cuda:"))
        return {
            "batch_size": self.batch_size,
            "num_threads": self.num_threads,
            "device_id": device_id,
            "prefetch_queue_depth": 2,
        }

    def repeated(self) -> Manifest:
        """Return the manifest with its rows repeated, so that an epoch has many batches."""
        least = self.batch_size * 200
        rows = np.arange(-(-least // len(self.manifest)) * len(self.manifest)) % len(self.manifest)
        return _Repeated(self.manifest, rows)  # type: ignore[return-value]

    def __str__(self) -> str:
        """Say what is measured."""
        megapixels = (self.manifest.height.astype(float) * self.manifest.width).mean() / 1e6
        views = " and ".join(f"{one.num_views} views of {one.size} px" for one in self.groups)
        return (
            f"{len(self.manifest)} images of {megapixels:.2f} MP on average, batch "
            f"{self.batch_size}, {views} with crop, flip, brightness/contrast and blur, "
            f"{self.num_threads} threads"
        )


class _Repeated:
    """A manifest whose rows stand more than once, which `Manifest` itself refuses."""

    def __init__(self, manifest: Manifest, rows: np.ndarray) -> None:
        self.files = [manifest.files[row] for row in rows]
        for name in (*COLUMNS, "stretched"):
            setattr(self, name, getattr(manifest, name)[rows])
        self.places = None if manifest.places is None else manifest.places.take(rows)
        self.refused, self.fingerprint, self.root = (), manifest.fingerprint, manifest.root
        self.voi = manifest.voi

    def __len__(self) -> int:
        return len(self.files)
