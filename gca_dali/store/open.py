"""A store → the rows of a manifest, whose samples are then read out of its shards.

Enters: a folder or a URL. Leaves: columns and `Places`. Next: `gca_dali.data.manifest.Manifest`.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from gca_dali.store.cache import StoreCache
from gca_dali.store.encoding import array_header
from gca_dali.store.index_table import read_index
from gca_dali.store.layout import ABOUT, MAX_ABOUT_BYTES, About
from gca_dali.store.parts import check_regular, read_checked, read_part
from gca_dali.store.places import Places, Store


def is_store(source: str | Path) -> bool:
    """Say whether a folder or URL claims to be a store."""
    return "://" in str(source) or os.path.isfile(os.path.join(source, ABOUT))


def open_store(source: str | Path, cache: StoreCache | None = None) -> dict[str, Any]:
    """Open a finished store.

    Parameters
    ----------
    source : str or pathlib.Path
        Its folder, or a URL that fsspec knows, such as "s3://bucket/store".
    cache : StoreCache, optional
        Where samples of a URL are kept; the user's cache folder where none is given.

    Returns
    -------
    dict
        Arguments of ``Manifest``, with the fixed columns among the others.

    Raises
    ------
    FileNotFoundError
        If there is no store.
    ValueError
        If it is unfinished, damaged, or one of its files is a link.
    """
    location = str(source).rstrip("/") if "://" in str(source) else os.path.abspath(source)
    about = About.from_json(read_part(location, ABOUT, MAX_ABOUT_BYTES), f"{location}/{ABOUT}")
    if about.index is None:
        raise ValueError(
            f"source must be a finished store, got {location}, of which shards are missing. Run "
            "the same gca-dali prepare again: it goes on where it stopped."
        )
    data = read_checked(location, about.index)
    if "://" not in location:
        _check_files(location, about)
    try:
        rows, placed = read_index(io.BytesIO(data))
        columns = rows["columns"]
        if len(columns["path"]) != about.settings.num_samples:
            raise ValueError(f"{len(columns['path'])} rows of {about.settings.num_samples}")
    except ValueError as error:
        raise ValueError(
            f"{location}/{about.index.name} must be the index of a store, got {error}. Prepare the "
            "store again."
        ) from None
    store = Store(
        location=location,
        digest=about.index.blake2b,
        encoding=about.settings.encoding,
        shards=tuple(shard.name for shard in about.shards),
        shard_bytes=tuple(shard.num_bytes for shard in about.shards),
        has_maps=about.maps is not None,
        maps_told=about.settings.maps_told,
        cache=(cache or StoreCache.default()) if "://" in location else None,
    )
    columns["bits"] = np.full(len(columns["path"]), store.bits)
    places = Places(store=store, row=np.arange(len(columns["path"])), **placed)
    return rows | {"root": Path(location), "places": places, "allow_outside": True}


def load_maps(places: Places, map_shape: tuple[int, int]) -> np.ndarray:
    """Open the saliency maps of a store.

    Parameters
    ----------
    places : Places
    map_shape : tuple of int
        Height and width of a map in cells.

    Returns
    -------
    numpy.ndarray, uint8, [rows of the whole store, height, width]
        Memory-mapped where the store is a folder.

    Raises
    ------
    ValueError
        If it has none, or they are damaged.
    """
    location = places.store.location
    if not places.store.has_maps:
        raise ValueError(
            f"saliency 'stored' must be in the store, got {location} without maps. Prepare it "
            "with --saliency, or name another source."
        )
    about = About.from_json(read_part(location, ABOUT, MAX_ABOUT_BYTES), f"{location}/{ABOUT}")
    assert about.maps is not None
    shape = (about.settings.num_samples, *map_shape)
    head = array_header(np.dtype(np.uint8), shape)
    if places.store.is_remote:
        data = np.frombuffer(read_checked(location, about.maps), np.uint8)
    else:
        data = np.memmap(os.path.join(location, about.maps.name), np.uint8, "r")
    if data.size != len(head) + np.prod(shape) or data[: len(head)].tobytes() != head:
        raise ValueError(
            f"{location}/{about.maps.name} must hold uint8 maps of all rows, got another array. "
            "Prepare the store again."
        )
    return data[len(head) :].reshape(shape)


def _check_files(location: str, about: About) -> None:
    for part in (*about.shards, *([about.maps] if about.maps else [])):
        path = os.path.join(location, part.name)
        size = check_regular(path)
        if size != part.num_bytes:
            raise ValueError(
                f"{path} must have {part.num_bytes} bytes, got {size}. Copy the store again."
            )
