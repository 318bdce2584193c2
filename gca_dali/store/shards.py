"""Bytes of a shard in a folder, by offset and length.

Enters: shard, offset, length. Leaves: those bytes. Called by `gca_dali.store.fetch` from several
threads at once.
"""

from __future__ import annotations

import os
import stat
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gca_dali.store.places import Store

_MAX_OPEN = 512


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
