"""Files that are whole or absent, and disks that are full: named, with what was needed.

Enters: a folder and what is to be written there. Leaves: the file, or `FullDiskError` in one line.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gca_dali.common.machine import FULL_DISK, MachineFaultError

GOES_ON = "the same command goes on from what is whole"
# Libraries in Rust give the number in words alone.
_SIGNS = tuple(f"(os error {number})" for number in FULL_DISK)


class FullDiskError(MachineFaultError, OSError):
    """A folder without room for what was to be written."""


def is_full_disk(error: BaseException | None) -> bool:
    """Tell whether an error, or one that caused it, says that a disk or a quota is full."""
    while error is not None:
        number = error.errno if isinstance(error, OSError) else None
        if number in FULL_DISK or any(sign in str(error) for sign in _SIGNS):
            return True
        error = error.__cause__
    return False


@contextmanager
def explained_disk(
    folder: str | Path, needed: str | Callable[[], str], way_on: str = GOES_ON
) -> Iterator[None]:
    """Turn the error of a full disk into one line.

    Parameters
    ----------
    folder : str or Path
        Where is written.
    needed : str or callable
        What needs the room; a callable is asked when there is none.
    way_on : str
        What to do when there is room again.

    Raises
    ------
    FullDiskError
        If the disk is full.
    """
    try:
        yield
    except MachineFaultError:
        raise
    except Exception as error:
        if not is_full_disk(error):
            raise
        what = needed if isinstance(needed, str) else needed()
        raise FullDiskError(
            f"{folder} must have room for {what}, got a full disk ({_tell_free(folder)}). Free "
            f"some room; {way_on}."
        ) from error


def _tell_free(folder: str | Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 2**20:.1f} MiB free"
    except OSError:
        return "or a full quota"


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Write a file beside its place and move it there in one step; nothing is left of a failure.

    Yields
    ------
    Path
        The file to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
