"""All shards are there → the index, and the line in `store.json` that makes them a store.

Enters: the lists of the shards. Leaves: `index.parquet`, `saliency.npy` and `store.json`. Whichever
process completes the last shard does this; if two do, they write the same bytes.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gca_dali.gaze.table import MAP_SHAPE
from gca_dali.prepare.files import remove_partial, replace_whole
from gca_dali.prepare.sample import write_map
from gca_dali.prepare.shard import read_list
from gca_dali.store.encoding import array_header
from gca_dali.store.index_table import PLACE_COLUMNS, PREFIX, write_index
from gca_dali.store.layout import ABOUT, INDEX, MAPS, About, Part, Settings, name_shard

if TYPE_CHECKING:
    from gca_dali.data.manifest import Manifest


def finish_store(folder: Path, manifest: Manifest, settings: Settings) -> About | None:
    """Write the index if every shard is there.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    settings : Settings

    Returns
    -------
    About or None
        None while shards are missing.

    Raises
    ------
    ValueError
        If no image could be read.
    """
    lists = [read_list(folder, number) for number in range(settings.num_shards)]
    parts = [item[0] for item in lists if item is not None]
    if len(parts) < len(lists):
        return None
    listed = [place for item in lists if item is not None for place in item[1]]
    faults = [place["fault"] for place in listed]
    if all(faults):
        raise ValueError(
            f"manifest must hold an image that can be read, got none of {len(faults)} (the first: "
            f"{faults[0]}). Index it again and prepare another store."
        )
    shard_of = np.arange(settings.num_samples) // settings.samples_per_shard
    places = {
        name: np.array([p[name] for p in listed]) for name in PLACE_COLUMNS if name != "shard"
    }
    places["shard"] = shard_of
    about = About(
        settings,
        index=_write_index(folder, manifest, places),
        maps=_write_maps(folder, settings, listed) if settings.maps else None,
        shards=tuple(parts),
    )
    remove_partial(folder)
    with replace_whole(folder / ABOUT) as file:
        file.write(about.to_json())
    return about


def _write_index(folder: Path, manifest: Manifest, places: dict[str, np.ndarray]) -> Part:
    content = io.BytesIO()
    placed = {PREFIX + name: places[name] for name in PLACE_COLUMNS}
    about = {
        "classes": list(manifest.classes),
        "refused": [[item.path, item.reason] for item in manifest.refused],
    }
    write_index(content, manifest.all_columns() | placed, about)
    with replace_whole(folder / INDEX) as file:
        file.write(content.getvalue())
    return file.part(INDEX)


def _write_maps(folder: Path, settings: Settings, listed: list[dict]) -> Part:
    """Copy the maps out of the shards into one file that can be mapped into memory."""
    blank = np.zeros(MAP_SHAPE, np.uint8)
    single = len(write_map(blank))
    with replace_whole(folder / MAPS) as file:
        file.write(array_header(np.dtype(np.uint8), (settings.num_samples, *MAP_SHAPE)))
        for number in range(settings.num_shards):
            with open(folder / name_shard(number), "rb") as shard:
                for row in settings.rows_of(number):
                    place = listed[row]
                    data = blank.tobytes()
                    if not place["fault"]:
                        shard.seek(place["map_offset"])
                        data = shard.read(single)[-blank.nbytes :]
                    file.write(data)
    return file.part(MAPS)
