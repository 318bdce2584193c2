"""Samples → one shard and its list, whole or absent.

Enters: the samples of a shard in the order of their rows. Leaves: a tar archive that WebDataset
tools read, and beside it a JSON list of places and digests. Next: `finish`.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gca_dali.common.machine import retried
from gca_dali.prepare.archive import add_member, end_archive
from gca_dali.prepare.files import replace_whole
from gca_dali.prepare.sample import NOT_OPENED, Sample
from gca_dali.store.layout import Part, name_members, name_shard

_NO_PLACE = {"offset": 0, "length": 0, "checksum": 0, "map_offset": 0}


def write_shard(folder: Path, number: int, samples: Iterable[Sample], encoding: str) -> None:
    """Write a shard, then its list; a kill leaves neither, or the shard alone, to be made again.

    Parameters
    ----------
    folder : Path
    number : int
    samples : iterable of Sample
    encoding : str
    """
    path = folder / name_shard(number)
    listed = []
    with replace_whole(path) as file:
        for sample in samples:
            place = {key: getattr(sample, key) for key in ("row", "height", "width", "fault")}
            place |= _NO_PLACE
            if not sample.fault:
                image, record, saliency = name_members(sample.row, encoding)
                place["offset"] = add_member(file, image, sample.image)
                place["length"] = len(sample.image)
                place["checksum"] = zlib.crc32(sample.image)
                add_member(file, record, sample.record)
                if sample.saliency:
                    start = add_member(file, saliency, sample.saliency)
                    place["map_offset"] = start
            listed.append(place)
        end_archive(file)
    content = {"shard": asdict(file.part(path.name)), "samples": listed}
    with replace_whole(list_of(path)) as file:
        file.write((json.dumps(content, sort_keys=True) + "\n").encode())


def read_list(folder: Path, number: int) -> tuple[Part, list[dict[str, Any]]] | None:
    """Read the list of a shard.

    Parameters
    ----------
    folder : Path
    number : int

    Returns
    -------
    tuple of Part and list of dict, or None
        None where the shard has to be made, or made again.
    """
    path = folder / name_shard(number)
    try:
        content = json.loads(retried(list_of(path).read_bytes, str(list_of(path))))
        part = Part(**content["shard"])
        whole = part.name == path.name and os.stat(path).st_size == part.num_bytes
        return (part, list(content["samples"])) if whole else None
    except (OSError, KeyError, TypeError, ValueError):
        return None


def is_made(found: tuple[Part, list[dict[str, Any]]] | None) -> bool:
    """Tell whether a shard is there; one with a file that could not be opened is tried again."""
    return found is not None and not any(p["fault"].startswith(NOT_OPENED) for p in found[1])


def list_of(path: Path) -> Path:
    """Give the name of the list beside a shard."""
    return path.with_suffix(".json")
