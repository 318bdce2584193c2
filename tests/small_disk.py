"""A disk of a few hundred kilobytes that fills up, or that nobody may write to: a tmpfs of its own.

Only root may mount one; where that is not allowed the tests that need it are skipped, and those
that play the same error at the call that writes remain.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A mounted folder.

    Parameters
    ----------
    folder : Path
        Made and mounted on.
    kilobytes : int
        Its size.
    """

    def __init__(self, folder: Path, kilobytes: int) -> None:
        self.folder = folder
        folder.mkdir()
        if not self._mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "none"):
            pytest.skip("no tmpfs can be mounted here, which takes root")

    def grow(self, kilobytes: int) -> None:
        """Give it another size."""
        assert self._mount("-o", f"remount,size={kilobytes}k")

    def close_for_writing(self) -> None:
        """Let nobody write, not even root."""
        assert self._mount("-o", "remount,ro")

    def unmount(self) -> None:
        """Give it back, also while something on it is open."""
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    def _mount(self, *options: str) -> bool:
        command = ["mount", *options, str(self.folder)]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[SmallDisk]:
    """Mount a disk for a `with` block."""
    disk = SmallDisk(folder, kilobytes)
    try:
        yield disk
    finally:
        disk.unmount()
