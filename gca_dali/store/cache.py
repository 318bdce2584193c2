"""A folder that keeps what was read from object stores, never more than it may hold.

Enters: named bytes. Leaves: the same bytes, or None. All processes of a machine share it: a file is
whole or absent, and what is kept stays, so that an epoch in random order finds its share again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gca_dali_kernels.kept import FOLDER_VARIABLE, cache_folder

LOG = logging.getLogger("gca_dali")
DEFAULT_BYTES = 8 << 30
_COUNT = "size"


@dataclass(frozen=True)
class StoreCache:
    """A bounded folder of samples.

    Attributes
    ----------
    folder : Path
        Made where it is missing.
    max_bytes : int
        Samples beyond this are read again each time.
    """

    folder: Path
    max_bytes: int = DEFAULT_BYTES

    @classmethod
    def default(cls) -> StoreCache:
        """Give the folder `stores` in `$GCA_DALI_CACHE` or else in the user's cache folder."""
        return cls(cache_folder("stores"))

    def get(self, name: str, length: int, checksum: int) -> bytes | None:
        """Return what is kept under a name; None if it is not there or not what it was.

        Parameters
        ----------
        name : str
        length, checksum : int
            Number of bytes and their CRC-32.
        """
        try:
            data = (self.folder / name).read_bytes()
        except OSError:
            return None
        return data if len(data) == length and zlib.crc32(data) == checksum else None

    def put(self, name: str, data: bytes, checksum: int) -> None:
        """Keep bytes if they are what they should be and there is room.

        A cache that cannot be written costs time and nothing else; the log says so once.
        """
        try:
            if zlib.crc32(data) == checksum and self._claim(len(data)):
                partial = self.folder / f".{name}.{os.getpid()}"
                partial.write_bytes(data)
                os.replace(partial, self.folder / name)
        except OSError as error:
            _tell(str(self.folder), error.strerror or str(error))

    def _claim(self, num_bytes: int) -> bool:
        """Add to the number of bytes kept, under a lock; False where it would grow too large.

        It is counted before the file is there: a kill between the two wastes room, no more.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / _COUNT, "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            total = int(file.read(20) or b"0") + num_bytes
            if total > self.max_bytes:
                return False
            file.truncate(0)
            file.write(b"%d" % total)
        return True


@lru_cache
def _tell(folder: str, why: str) -> None:
    """Say once that a folder keeps nothing."""
    LOG.warning(
        "samples are read from the store again in each epoch: %s: %s; set %s to a folder with room",
        folder,
        why,
        FOLDER_VARIABLE,
    )
