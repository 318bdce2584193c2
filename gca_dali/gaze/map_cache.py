"""Predicted maps in one memory-mapped file: each of them whole or absent.

Enters: quantised maps by row. Leaves: the maps, for every process that opened the same file, now
and after a restart. Next: `predicted` asks for them batch by batch.
"""

from __future__ import annotations

import errno
import fcntl
import io
import mmap
import os
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gca_dali.common.disk import explained_disk
from gca_dali.common.machine import is_machine_fault
from gca_dali.gaze.table import MAP_SHAPE
from gca_dali_kernels.kept import FOLDER_VARIABLE

# The map; the time stamp of its image; CRC-32 of both. A map that was cut off fails the check, and
# so does a record of zeros: nothing has to be marked as begun or done.
RECORD = np.dtype([("map", "u1", MAP_SHAPE), ("stamp", "<i8"), ("check", "<u4")])


class UnwritableFolderError(RuntimeError):
    """A folder for maps that cannot be written."""


class MapCache:
    """Maps of the N images of a manifest, uint8, [N, 64, 64], in a `.npy` file of records.

    The first map of a row stays: whoever comes later with another one is given that which is
    there. Rows are written under a lock on the file, so processes agree on every map.

    Parameters
    ----------
    descriptor : int
        Of a file that is open for reading and writing; what it lacks is added, and it is closed
        with the cache.
    num_rows : int
        N.
    folder : Path, optional
        Where it lies, for messages; None for one in memory.
    """

    def __init__(self, descriptor: int, num_rows: int, folder: Path | None = None) -> None:
        self.folder = folder
        weakref.finalize(self, os.close, descriptor)
        header = _make_header(num_rows)
        self._descriptor, self._offset = descriptor, len(header)
        size = len(header) + num_rows * RECORD.itemsize
        with self._locked():
            # Whoever was killed here left a part of these very bytes.
            if os.fstat(descriptor).st_size != size:
                os.pwrite(descriptor, header, 0)
                os.ftruncate(descriptor, size)
        shared = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
        self._records = np.frombuffer(shared, RECORD, offset=len(header))

    @classmethod
    def temporary(cls, num_rows: int) -> MapCache:
        """Make a cache in memory that ends with the process."""
        return cls(os.memfd_create("saliency"), num_rows)

    @classmethod
    def open(cls, path: Path, num_rows: int) -> MapCache:
        """Open the file at `path`, or make it.

        Raises
        ------
        UnwritableFolderError
            Where it cannot be written.
        FullDiskError
            Where there is no room for it.
        """
        needed = f"{num_rows} maps, {num_rows * RECORD.itemsize / 2**20:.1f} MiB in all"
        try:
            with explained_disk(path.parent, needed):
                path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
                return cls(descriptor, num_rows, path.parent)
        except OSError as error:
            if is_machine_fault(error):
                raise
            raise UnwritableFolderError(
                f"predicted maps must go to a folder that can be written, got {path.parent} "
                f"({error.strerror}). Set {FOLDER_VARIABLE} to another folder."
            ) from None

    @property
    def maps(self) -> np.ndarray:
        """All maps, uint8, [N, 64, 64], memory-mapped; only those that `find` vouches for count."""
        return self._records["map"]

    def find(self, rows: np.ndarray, stamps: np.ndarray) -> np.ndarray:
        """Tell which maps are there.

        Parameters
        ----------
        rows, stamps : numpy.ndarray, int64, [R]
            Rows, and the time stamps of their images now; a map of another stamp is stale.

        Returns
        -------
        numpy.ndarray, bool, [R]
        """
        found = np.zeros(len(rows), bool)
        for i, (row, stamp) in enumerate(zip(rows.tolist(), stamps.tolist(), strict=True)):
            # Read, not looked up in the map: there a hole on a full tmpfs kills by a signal.
            place = self._offset + row * RECORD.itemsize
            record = np.frombuffer(os.pread(self._descriptor, RECORD.itemsize, place), RECORD)[0]
            if record["check"] and record["stamp"] == stamp:
                found[i] = record["check"] == _checksum(record)
        return found

    def add(self, rows: np.ndarray, maps: np.ndarray, stamps: np.ndarray) -> None:
        """Write the maps of the rows that have none.

        Parameters
        ----------
        rows, stamps : numpy.ndarray, int64, [R]
        maps : numpy.ndarray, uint8, [R, 64, 64]

        Raises
        ------
        FullDiskError
            Where the disk is full.
        """
        needed = f"{len(self._records)} maps, {self._records.nbytes / 2**20:.1f} MiB in all"
        with explained_disk(self.folder or "memory", needed):
            self._add(rows, maps, stamps)

    def _add(self, rows: np.ndarray, maps: np.ndarray, stamps: np.ndarray) -> None:
        records = np.zeros(len(rows), RECORD)
        records["map"], records["stamp"] = maps, stamps
        records["check"] = [_checksum(record) for record in records]
        with self._locked():
            for i in np.flatnonzero(~self.find(rows, stamps)).tolist():
                # Written, not stored through the map: a full disk is then an error, not a signal.
                place = self._offset + int(rows[i]) * RECORD.itemsize
                if os.pwrite(self._descriptor, records[i].tobytes(), place) < RECORD.itemsize:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from writing; a killed one lets go."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def _make_header(num_rows: int) -> bytes:
    """Return the head of a `.npy` file of so many records."""
    head = io.BytesIO()
    facts = {
        "descr": np.lib.format.dtype_to_descr(RECORD),
        "fortran_order": False,
        "shape": (num_rows,),
    }
    np.lib.format.write_array_header_1_0(head, facts)
    return head.getvalue()


def _checksum(record: Any) -> int:
    """Return CRC-32 of map and stamp; never 0."""
    return zlib.crc32(record["map"].tobytes() + record["stamp"].tobytes()) or 1
