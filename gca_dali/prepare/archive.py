"""A tar archive, member by member: the same names and bytes give the same archive.

Enters: names and bytes. Leaves: the place of each in the archive. Called by `shard`.
"""

from __future__ import annotations

import tarfile

from gca_dali.prepare.files import HashedFile

_BLOCK = tarfile.BLOCKSIZE


def add_member(file: HashedFile, name: str, data: bytes) -> int:
    """Append a file to a tar archive; the same name and bytes give the same archive.

    Parameters
    ----------
    file : HashedFile
    name : str
        ASCII, at most 100 characters.
    data : bytes

    Returns
    -------
    int
        Where its bytes begin.
    """
    member = tarfile.TarInfo(name)
    member.size = len(data)
    file.write(member.tobuf(tarfile.USTAR_FORMAT))
    start = file.tell()
    file.write(data)
    file.write(b"\0" * (-len(data) % _BLOCK))
    return start


def end_archive(file: HashedFile) -> None:
    """Append the two blocks of zeros that end a tar archive, and fill its last record."""
    file.write(b"\0" * 2 * _BLOCK)
    file.write(b"\0" * (-file.tell() % tarfile.RECORDSIZE))
