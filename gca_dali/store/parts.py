"""The small files of a store, read whole: from a folder or from an object store.

Enters: folder or URL, and a name. Leaves: bytes that are no more than they may be, and where a
digest is known, those that were written.
"""

from __future__ import annotations

import hashlib
import os
import stat

from gca_dali.store.layout import Part


def read_checked(location: str, part: Part) -> bytes:
    """Read a file of a store and compare its digest.

    Parameters
    ----------
    location : str
        Folder or URL.
    part : Part

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        If it is not what was written.
    """
    data = read_part(location, part.name, part.num_bytes)
    if hashlib.blake2b(data, digest_size=20).hexdigest() != part.blake2b:
        raise ValueError(
            f"{location}/{part.name} must be as it was written, got another checksum. Copy the "
            "store again."
        )
    return data


def read_part(location: str, name: str, max_bytes: int) -> bytes:
    """Read a small file of a store whole.

    Parameters
    ----------
    location : str
        Folder or URL.
    name : str
    max_bytes : int

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        If it is larger, or a link.
    """
    if "://" in location:
        import fsspec

        files, root = fsspec.core.url_to_fs(location)
        try:
            data = files.cat_file(f"{root}/{name}", start=0, end=max_bytes + 1)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"source must be a store, got {location} without {name}. Check the address."
            ) from None
    else:
        path = os.path.join(location, name)
        check_regular(path)
        with open(path, "rb") as file:
            data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"{location}/{name} must have at most {max_bytes} bytes, got more.")
    return data


def check_regular(path: str) -> int:
    """Return the size of a regular file; a link could lead anywhere.

    Parameters
    ----------
    path : str

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is a link, a folder or a device.
    """
    state = os.lstat(path)
    if not stat.S_ISREG(state.st_mode):
        raise ValueError(
            f"{path} must be a regular file, got a link or something else. Put the file itself "
            "there."
        )
    return state.st_size
