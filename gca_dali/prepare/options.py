"""How a store shall be, and which part of it this process makes.

Choices enter, checked at birth; the settings that decide every byte leave. Next: `run`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gca_dali.common.checks import check_at_least, check_choice
from gca_dali.store.encoding import BITS
from gca_dali.store.layout import Settings

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest
    from gca_dali.prepare.maps import StoredMaps


@dataclass(frozen=True)
class StoreOptions:
    """How a store shall be.

    Attributes
    ----------
    shorter_side : int
        Pixels; smaller images keep their size.
    encoding : str
        "jpeg" (grey, quality 95), "png16", "raw8", "raw16", or "auto": "jpeg" if all images have 8
        bits, else "png16".
    samples_per_shard : int

    Raises
    ------
    ValueError
        If one is out of range.
    """

    shorter_side: int = 512
    encoding: str = "auto"
    samples_per_shard: int = 1000

    def __post_init__(self) -> None:
        """Refuse what no store can be."""
        check_at_least("shorter_side", self.shorter_side, 1)
        check_at_least("samples_per_shard", self.samples_per_shard, 1)
        check_choice("encoding", self.encoding, ("auto", *BITS))

    def settle(self, manifest: Manifest, maps: StoredMaps | None) -> Settings:
        """Fix everything that decides the bytes of the store."""
        encoding = self.encoding
        if encoding == "auto":
            encoding = "png16" if (manifest.bits > 8).any() else "jpeg"
        return Settings(
            rows=manifest.fingerprint,
            num_samples=len(manifest),
            samples_per_shard=self.samples_per_shard,
            encoding=encoding,
            shorter_side=self.shorter_side,
            maps="" if maps is None else maps.digest(len(manifest)),
            maps_told="" if maps is None else maps.told,
        )


@dataclass(frozen=True)
class Share:
    """What one of the processes that prepare a store together does.

    Attributes
    ----------
    rank, world_size : int
        Shards are dealt out by rank.
    num_workers : int
        Decoder processes; 0 means one per core.

    Raises
    ------
    ValueError
        If there is no such rank.
    """

    rank: int = 0
    world_size: int = 1
    num_workers: int = 0

    def __post_init__(self) -> None:
        """Refuse a rank that does not exist."""
        check_at_least("num_workers", self.num_workers, 0)
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"rank must be below {self.world_size}, got {self.rank}.")
