"""Bytes of a shard in an object store, by offset and length, kept in a local cache.

Enters: shard, offset, length. Leaves: those bytes. Called by `gca_dali.store.fetch` from several
threads at once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gca_dali.common.machine import MachineFaultError

if TYPE_CHECKING:
    from gca_dali.store.places import Store

_NUM_TRIES = 4
_FIRST_WAIT_SECONDS = 0.2


class StoreUnavailableError(MachineFaultError):
    """An object store that does not answer: no fault of a sample, so none is set aside."""


class RemoteShards:
    """Shards in an object store, read as byte ranges through fsspec and kept in a local cache.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        import fsspec

        self.store = store
        self.files, self.root = fsspec.core.url_to_fs(store.location)

    def read(self, shard: int, offset: int, length: int, checksum: int) -> bytes:
        """Return the bytes at a place, from the cache where it has them.

        Raises
        ------
        StoreUnavailableError
            If the object store fails several times.
        """
        cache, name = self.store.cache, f"{self.store.digest}-{shard}-{offset}"
        if cache is not None and (kept := cache.get(name, length, checksum)) is not None:
            return kept
        data = self._fetch(shard, offset, length)
        if cache is not None:
            cache.put(name, data, checksum)
        return data

    def _fetch(self, shard: int, offset: int, length: int) -> bytes:
        path = f"{self.root}/{self.store.shards[shard]}"
        error: Exception | None = None
        for attempt in range(_NUM_TRIES):
            if attempt:
                time.sleep(_FIRST_WAIT_SECONDS * 4**attempt)
            try:
                data = self.files.cat_file(path, start=offset, end=offset + length)
                # Fewer: the shard ends there, and this sample is damaged.
                if len(data) <= length:
                    return data
                # A server that knows no ranges sends the whole shard.
                error = ValueError(f"{len(data)} bytes for a range of {length}")
            # Each kind of object store has exceptions of its own.
            except Exception as failed:
                error = failed
        raise StoreUnavailableError(
            f"the store must answer, got {type(error).__name__}: {error} for "
            f"{self.store.location}/{self.store.shards[shard]}. Check the network and go on from "
            "the last state."
        ) from error
