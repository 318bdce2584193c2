"""Where the samples of a store lie: shard, offset, length and checksum of each row.

Columns of the store's index enter; selections of them leave, with what is needed to read them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from gca_dali.store.encoding import BITS

if TYPE_CHECKING:
    from gca_dali.store.cache import StoreCache


@dataclass(frozen=True)
class Store:
    """A finished store.

    Attributes
    ----------
    location : str
        Its folder, or a URL that fsspec knows.
    digest : str
        BLAKE2b of its index: its name among others in a cache.
    encoding : str
        Of `gca_dali.store.encoding`.
    shards : tuple of str
        File name of each shard.
    shard_bytes : tuple of int
    has_maps : bool
        Whether it holds saliency maps.
    maps_told : str
        Where they come from.
    cache : StoreCache or None
        Where samples of a remote store are kept.
    """

    location: str
    digest: str
    encoding: str
    shards: tuple[str, ...]
    shard_bytes: tuple[int, ...]
    has_maps: bool
    maps_told: str = ""
    cache: StoreCache | None = None

    @property
    def is_remote(self) -> bool:
        """Whether fsspec reads it."""
        return "://" in self.location

    @property
    def is_raw(self) -> bool:
        """Whether its samples need no decoder."""
        return self.encoding.startswith("raw")

    @property
    def bits(self) -> int:
        """Bits of a stored value."""
        return BITS[self.encoding]


@dataclass(frozen=True, eq=False)
class Places:
    """Where N samples lie.

    Attributes
    ----------
    store : Store
    row : numpy.ndarray, int64, [N]
        Row in the whole store.
    shard, height, width : numpy.ndarray, int32, [N]
        Number of the shard; stored size, pixels.
    offset, length, checksum : numpy.ndarray, int64, [N]
        First byte and number of bytes in the shard; CRC-32 of them.
    fault : numpy.ndarray, str, [N]
        Why an original could not be read; "" where it could.

    Raises
    ------
    ValueError
        If a sample lies outside its shard, or a size is impossible.
    """

    store: Store
    row: np.ndarray
    shard: np.ndarray
    height: np.ndarray
    width: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    checksum: np.ndarray
    fault: np.ndarray

    def __post_init__(self) -> None:
        """Refuse places that no shard has."""
        if len(self.row) == 0:
            return
        sizes = np.array([*self.store.shard_bytes, 0], np.int64)
        there = self.fault == ""
        known = (self.shard >= 0) & (self.shard < len(self.store.shards))
        ends = self.offset + self.length
        fits = (self.offset >= 0) & (self.length > 0) & (ends >= 0)
        fits &= ends <= sizes[np.where(known, self.shard, -1)]
        fits &= (self.height > 0) & (self.width > 0)
        wrong = np.flatnonzero(there & ~(known & fits))
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(
                f"index must place every sample inside a shard, got bytes {self.offset[row]} to "
                f"{ends[row]} of shard {self.shard[row]} for row {self.row[row]}. Prepare the "
                "store again."
            )

    def take(self, rows: np.ndarray) -> Places:
        """Select places by position."""
        arrays = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "store"}
        return replace(self, **arrays)
