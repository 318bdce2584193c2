"""Files that appear whole or not at all, whenever the process that writes them is killed.

Bytes enter; a file under its final name leaves, on the disk before its name is.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gca_dali.store.layout import Part

PARTIAL = ".partial-"


class HashedFile(io.RawIOBase):
    """A file that is written from its beginning to its end, and its BLAKE2b on the way.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb")  # noqa: SIM115 - closed by close
        self._digest = hashlib.blake2b(digest_size=20)
        self.num_bytes = 0

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def tell(self) -> int:
        """Return the number of bytes so far."""
        return self.num_bytes

    def write(self, data) -> int:
        """Append bytes."""
        self._digest.update(data)
        self.num_bytes += self._file.write(data)
        return len(data)

    def hold(self) -> bool:
        """Lock the file until it is closed: so others know that its process lives.

        Returns
        -------
        bool
            False where another process has removed it before that.
        """
        with suppress(OSError):  # not every file system has locks; there nothing is removed
            fcntl.flock(self._file, fcntl.LOCK_EX)
        return os.path.exists(self._file.name)

    def sync(self) -> None:
        """Bring everything to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def part(self, name: str) -> Part:
        """Describe what was written."""
        return Part(name, self.num_bytes, self._digest.hexdigest())


@contextmanager
def replace_whole(path: Path) -> Iterator[HashedFile]:
    """Write a file beside its place and move it there in one step, if nothing fails.

    Parameters
    ----------
    path : Path

    Yields
    ------
    HashedFile
    """
    partial, file = _begin(path)
    try:
        yield file
        file.sync()
        os.replace(partial, path)
        file.close()
    except BaseException:
        with suppress(OSError):  # what a full disk did not take, it does not take at the end either
            file.close()
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _begin(path: Path) -> tuple[Path, HashedFile]:
    while True:
        partial = path.with_name(f"{PARTIAL}{uuid.uuid4().hex}-{path.name}")
        file = HashedFile(partial)
        if file.hold():
            return partial, file
        file.close()


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_partial(folder: Path) -> None:
    """Remove what killed processes left behind, and nothing that a living one is writing."""
    for path in folder.glob(f"{PARTIAL}*"):
        with suppress(OSError):  # it is locked, renamed, or not ours
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)
