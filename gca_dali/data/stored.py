"""A store → the columns of a manifest, whose samples lie in its shards.

Enters: what `gca_dali.store.open` found. Leaves: arguments of ``Manifest``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gca_dali.data.index import Refused, is_plain_text
from gca_dali.data.rows import COLUMNS
from gca_dali.store.cache import StoreCache
from gca_dali.store.open import open_store


def index_store(source: str | Path, cache: StoreCache | None) -> dict[str, Any]:
    """Read the rows of a finished store.

    Parameters
    ----------
    source : str or pathlib.Path
        Its folder, or a URL.
    cache : StoreCache, optional
        Where samples of a URL are kept.

    Returns
    -------
    dict
        Arguments of ``Manifest``.

    Raises
    ------
    FileNotFoundError
        If there is no store.
    ValueError
        If it is unfinished or damaged.
    """
    found = open_store(source, cache)
    columns = found["columns"]
    missing = [name for name in COLUMNS if name not in columns]
    if missing or not all(map(is_plain_text, columns["path"].tolist())):
        what = f"no column {missing[0]}" if missing else "a path that is not plain text"
        raise ValueError(
            f"{found['root']} must have an index of a manifest's rows, got {what}. Prepare the "
            "store again."
        )
    fixed = {name: columns.pop(name) for name in COLUMNS}
    return found | fixed | {"refused": tuple(Refused(*item) for item in found["refused"])}
