"""The folder of a store, before its first shard: new, or one that was begun in the same way.

Enters: a folder and settings. Leaves: `store.json`, unfinished. Next: `run` writes the shards.
"""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

from gca_dali.prepare.files import replace_whole
from gca_dali.store.layout import ABOUT, About, Part, Settings


def begin_store(folder: Path, settings: Settings) -> None:
    """Make the folder and write down what it will hold, or compare that with what is there.

    Parameters
    ----------
    folder : Path
    settings : Settings

    Raises
    ------
    ValueError
        If something else is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ABOUT
    if not path.exists():
        # Other ranks, or this one before it was killed, may have begun.
        others = [p.name for p in folder.iterdir() if not p.name.startswith(".")]
        if others and not path.exists():
            raise ValueError(
                f"store must be a new or empty folder or a store, got {folder} with {others[0]}. "
                "Choose another."
            )
        with replace_whole(path) as file:
            file.write(About(settings).to_json())
    begun = About.from_json(path.read_bytes(), str(path)).settings
    for name in (field.name for field in fields(Settings)):
        if getattr(begun, name) != getattr(settings, name):
            raise ValueError(
                f"store must go on with {name} {getattr(begun, name)!r}, as {folder} was begun, "
                f"got {getattr(settings, name)!r}. Choose another folder or the same options."
            )


def read_finished(folder: Path, settings: Settings) -> About | None:
    """Return what a finished store says, or None if it is not finished, or not as it says."""
    about = About.from_json((folder / ABOUT).read_bytes(), str(folder / ABOUT))
    if about.index is None:
        return None
    parts = [about.index, *about.shards, *([about.maps] if about.maps else [])]
    return about if all(_is_there(folder, part) for part in parts) else None


def _is_there(folder: Path, part: Part) -> bool:
    try:
        return os.stat(folder / part.name).st_size == part.num_bytes
    except FileNotFoundError:
        return False
