"""Bytes of a shard, by offset and length: from local files, or from an object store.

Enters: shard, offset, length. Leaves: those bytes. Called by `gca_dali.store.fetch` from several
threads at once.
"""

from __future__ import annotations

import os
import stat
import time
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gca_dali.store.places import Store

_MAX_OPEN = 512
_NUM_TRIES = 4


class StoreUnavailableError(RuntimeError):
    """An object store that does not answer: no fault of a sample, so none is set aside."""


class LocalShards:
    """Shards in a folder, read with one `pread` each.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._open: dict[int, int] = {}
        self._lock = Lock()

    def read(self, shard: int, offset: int, length: int, checksum: int) -> bytes:
        """Return the bytes at a place; fewer where the shard ends early.

        Raises
        ------
        OSError
            If the shard cannot be opened, or is a link.
        """
        descriptor = self._open.get(shard)
        if descriptor is not None:
            return os.pread(descriptor, length, offset)
        descriptor = self._open_shard(shard)
        try:
            return os.pread(descriptor, length, offset)
        finally:
            # What is kept is never closed, so no thread loses it under its hands.
            with self._lock:
                keep = len(self._open) < _MAX_OPEN and shard not in self._open
                if keep:
                    self._open[shard] = descriptor
            if not keep:
                os.close(descriptor)

    def _open_shard(self, shard: int) -> int:
        path = os.path.join(self.store.location, self.store.shards[shard])
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{path} is no regular file")
        return descriptor

    def __del__(self) -> None:
        """Close what is open."""
        for descriptor in getattr(self, "_open", {}).values():
            os.close(descriptor)


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
                time.sleep(0.2 * 4**attempt)
            try:
                return self.files.cat_file(path, start=offset, end=offset + length)
            # Each kind of object store has exceptions of its own.
            except Exception as failed:
                error = failed
        raise StoreUnavailableError(
            f"the store must answer, got {type(error).__name__}: {error} for "
            f"{self.store.location}/{self.store.shards[shard]}. Check the network and go on from "
            "the last state."
        ) from error


def open_shards(store: Store) -> LocalShards | RemoteShards:
    """Open the shards of a store where they lie."""
    return RemoteShards(store) if store.is_remote else LocalShards(store)
