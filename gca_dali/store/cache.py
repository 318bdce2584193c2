"""A folder that keeps what was read from object stores, never more than it may hold.

Enters: named bytes. Leaves: the same bytes, or None. All processes of a machine share it: a file is
whole or absent, and what is kept stays, so that an epoch in random order finds its share again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gca_dali_kernels.kept import FOLDER_VARIABLE, cache_folder

LOG = logging.getLogger("gca_dali")
DEFAULT_BYTES = 8 << 30
_COUNT = "size"
_NUM_DIGITS = 20
_RECOUNT_SECONDS = 600


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
        partial = self.folder / f".{name}.{os.getpid()}"
        try:
            if zlib.crc32(data) == checksum and self._claim(name, len(data)):
                partial.write_bytes(data)
                os.replace(partial, self.folder / name)
        except OSError as error:
            _tell(str(self.folder), error.strerror or str(error))
            with suppress(OSError):
                partial.unlink()

    def _claim(self, name: str, num_bytes: int) -> bool:
        """Add to the number of bytes kept, under a lock; False where it would grow too large.

        It is counted before the file is there: a kill between the two wastes room, until the
        folder seems full and is counted again.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / _COUNT, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            written = os.pread(descriptor, _NUM_DIGITS, 0)
            is_number = len(written) == _NUM_DIGITS and written.isdigit()
            total = int(written) if is_number else self._count()
            added = num_bytes - self._size_of(name)  # another run may have kept it meanwhile
            idle = time.time() - os.fstat(descriptor).st_mtime
            if total + added > self.max_bytes and idle > _RECOUNT_SECONDS:
                # Somebody may have made room, and what was claimed then has long been written.
                total = self._count()
                os.pwrite(descriptor, b"%0*d" % (_NUM_DIGITS, total), 0)
            if total + added > self.max_bytes:
                _tell(str(self.folder), f"{total / 2**30:.1f} GiB are kept, no more may be")
                return False
            # All at once: whoever is killed here leaves the old number or the new one.
            os.pwrite(descriptor, b"%0*d" % (_NUM_DIGITS, total + added), 0)
        finally:
            os.close(descriptor)
        return True

    def _size_of(self, name: str) -> int:
        try:
            return os.stat(self.folder / name).st_size
        except FileNotFoundError:
            return 0

    def _count(self) -> int:
        """Add up what lies in the folder, where its number is new, cut short or damaged."""
        total = 0
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another process has just renamed it
                    total += entry.stat().st_size if entry.name != _COUNT else 0
        return total


@lru_cache
def _tell(folder: str, why: str) -> None:
    """Say once that a folder keeps nothing."""
    LOG.warning(
        "samples are read from the store again in each epoch: %s: %s; set %s to a folder with room",
        folder,
        why,
        FOLDER_VARIABLE,
    )
