"""What every loader of a benchmark does, so that all do the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.data.rows import COLUMNS
from gca_dali.steps.device import CPU

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.steps.saliency import SaliencySource


@dataclass(frozen=True)
class Workload:
    """What every loader does; `device` is "cpu" or "cuda:N"."""

    manifest: Manifest
    saliency: SaliencySource = "centre"
    batch_size: int = 32
    num_views: int = 2
    size: int = 224
    num_threads: int = 2
    device: str = CPU

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
        return (
            f"{len(self.manifest)} images of {megapixels:.2f} MP on average, batch "
            f"{self.batch_size}, {self.num_views} views of {self.size} px with crop, flip, "
            f"brightness/contrast and blur, {self.num_threads} threads"
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
