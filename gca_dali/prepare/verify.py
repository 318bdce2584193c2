"""A finished store → whatever is wrong with it, file by file and sample by sample.

Enters: a folder. Leaves: one line for each fault. Everything is read again: digests of files,
checksums of samples, headers of archive members, records, maps, and that nothing else lies there.
"""

from __future__ import annotations

import hashlib
import json
import stat
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gca_dali.common.machine import is_machine_fault
from gca_dali.common.progress import track
from gca_dali.prepare.files import PARTIAL
from gca_dali.prepare.shard import list_of
from gca_dali.store.encoding import check_sample
from gca_dali.store.layout import ABOUT, About, Part, name_members
from gca_dali.store.open import open_store
from gca_dali.store.places import Places

_BLOCK_BYTES = 1 << 20
_MAX_SHOWN_TEXT = 200


def verify_store(folder: str | Path, progress: bool = False) -> list[str]:
    """Find what is wrong with a store.

    Parameters
    ----------
    folder : str or pathlib.Path
    progress : bool
        Show a bar on stderr after the first second.

    Returns
    -------
    list of str
        One line per fault, each beginning with the file's name; empty for a sound store.

    Raises
    ------
    FileNotFoundError, ValueError
        If it cannot even be opened.
    """
    folder = Path(folder)
    places: Places = open_store(folder)["places"]
    about = About.from_json((folder / ABOUT).read_bytes(), str(folder / ABOUT))
    faults = list(_find_strangers(folder, about))
    if about.maps is not None:
        faults += _compare_digest(folder, about.maps)
    numbered = enumerate(about.shards)
    numbered = track(numbered, len(about.shards), "verifying") if progress else numbered
    for number, part in numbered:
        faults += _compare_digest(folder, part)
        faults += _check_shard(folder, part, places.take(np.flatnonzero(places.shard == number)))
    return faults


def _find_strangers(folder: Path, about: About) -> Iterator[str]:
    known = {ABOUT, *(part.name for part in about.shards)}
    known |= {list_of(Path(part.name)).name for part in about.shards}
    known |= {part.name for part in (about.index, about.maps) if part is not None}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(PARTIAL):
            yield f"{path.name}: left behind by a process that was killed; remove it"
        elif path.name not in known:
            yield f"{path.name!a}: no file of the store"
        elif not stat.S_ISREG(path.lstat().st_mode):
            yield f"{path.name}: no regular file"


def _compare_digest(folder: Path, part: Part) -> Iterator[str]:
    digest = hashlib.blake2b(digest_size=20)
    with open(folder / part.name, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    if digest.hexdigest() != part.blake2b:
        yield f"{part.name}: another checksum than when it was written"


def _check_shard(folder: Path, part: Part, places: Places) -> Iterator[str]:
    """Walk an archive beside the index: each sample's members in order, and nothing else."""
    encoding = places.store.encoding
    has_maps = places.store.has_maps
    expected = []
    for i in np.flatnonzero(places.fault == "").tolist():
        names = name_members(int(places.row[i]), encoding)
        expected += [(name, i, kind) for kind, name in enumerate(names[: 3 if has_maps else 2])]
    try:
        with tarfile.open(folder / part.name, "r:") as archive:
            members = list(archive)
    except (tarfile.TarError, ValueError, OSError) as error:
        if is_machine_fault(error):
            raise
        yield f"{part.name}: no tar archive ({error})"
        return
    found = [member.name for member in members]
    if found != [name for name, _, _ in expected] or not all(member.isreg() for member in members):
        yield f"{part.name}: members other than the images, records and maps of its rows"
        return
    with open(folder / part.name, "rb") as file:
        for member, (name, i, kind) in zip(members, expected, strict=True):
            file.seek(member.offset_data)
            reason = _check_member(file.read(member.size), kind, member.offset_data, places, i)
            if reason:
                yield f"{part.name}: {name}: {reason[:_MAX_SHOWN_TEXT]}"


def _check_member(data: bytes, kind: int, offset: int, places: Places, i: int) -> str:
    """Say what is wrong with a member, or nothing."""
    size = int(places.height[i]), int(places.width[i])
    if kind == 0:
        if (offset, len(data)) != (places.offset[i], places.length[i]):
            return "not where the index says"
        if zlib.crc32(data) != places.checksum[i]:
            return "a wrong checksum"
        try:
            check_sample(data, places.store.encoding, *size)
        except ValueError as error:
            return str(error)
    elif kind == 1:
        try:
            stored = json.loads(data)["stored"]
            if (stored["height"], stored["width"]) != size:
                return "a record of another size"
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            return f"no record ({type(error).__name__})"
    return ""
