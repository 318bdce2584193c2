"""Keep a manifest in a parquet file: plain columns, and JSON for what is no column.

Columns enter and a file leaves, or the other way round. Nothing in the file is executed, and its
paths must stay below its root unless the caller permits more.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gca_dali.common.arrow import to_numpy
from gca_dali.common.disk import explained_disk, replace_file
from gca_dali.common.machine import is_machine_fault
from gca_dali.data.index import Refused, find_outside
from gca_dali.data.rows import COLUMNS

if TYPE_CHECKING:
    from gca_dali.data.rows import Rows

_KEY = b"gca_dali.manifest"
_VERSION = 1


def write_parquet(rows: Rows, path: Path) -> None:
    """Write rows to a parquet file; the root is kept relative to that file.

    Parameters
    ----------
    rows : Rows
        What is kept.
    path : Path
        Ends in ``.parquet``; its folder exists.

    Raises
    ------
    ValueError
        If the name ends otherwise, or the rows are of a store.
    FileNotFoundError
        If the folder does not exist.
    """
    if path.suffix.lower() != ".parquet":
        raise ValueError(f"path must end in .parquet, got {path}. Rename it.")
    if rows.places is not None:
        raise ValueError(
            f"rows must be of files, got those of the store {rows.root}. Open the store itself and "
            "select rows again."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"path must lie in an existing folder, got {path}. Make the folder first."
        )
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = {
        "version": _VERSION,
        "root": _relative_root(rows.root, path.parent),
        "voi": rows.voi,
        "classes": list(rows.classes),
        "refused": [[item.path, item.reason] for item in rows.refused],
    }
    table = pa.table({name: pa.array(values) for name, values in rows.all_columns().items()})
    table = table.replace_schema_metadata({_KEY: json.dumps(about).encode()})
    needed = f"{path.name} of {len(table):,} rows"
    with explained_disk(path.parent, needed), replace_file(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def _relative_root(root: Path, folder: Path) -> str:
    """Return the way from a folder to the images, as the kernel goes it: links before "..".

    Below the folder links are kept as they are, so that both can move together.
    """
    way = Path(os.path.relpath(root, folder))
    if ".." in way.parts:
        way = Path(os.path.relpath(os.path.realpath(root), os.path.realpath(folder)))
    return way.as_posix()


def read_parquet(path: Path, root: str | Path | None, allow_outside: bool) -> dict:
    """Read what :func:`write_parquet` wrote.

    Parameters
    ----------
    path : Path
        A saved manifest.
    root : str or Path, optional
        Where the images lie now, if they have moved.
    allow_outside : bool
        Permit paths and links that lead out of the root.

    Returns
    -------
    dict
        Arguments of ``Manifest``.

    Raises
    ------
    FileNotFoundError
        If the file or its root does not exist.
    ValueError
        If it is no saved manifest, or a path leads out of the root.
    """
    if not path.is_file():
        raise FileNotFoundError(f"source must be an existing file, got {path}. Check the path.")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Reading the file object keeps pyarrow from giving names of the form x=y a meaning.
        with open(path, "rb") as file:
            table = pq.read_table(file)
        about = json.loads((table.schema.metadata or {})[_KEY])
        columns = {name: to_numpy(table.column(name)) for name in table.column_names}
        classes = tuple(map(str, about["classes"]))
        refused = tuple(Refused(str(where), str(reason)) for where, reason in about["refused"])
        stored_root = path.parent / about["root"]
        voi = str(about["voi"])
        fixed = {name: columns.pop(name) for name in COLUMNS}
    # pyarrow calls damage an OSError.
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        if is_machine_fault(error):
            raise
        raise ValueError(
            f"source must be a manifest saved by gca_dali, got {path} ({type(error).__name__}). "
            "Make one with gca-dali index."
        ) from None
    if about.get("version") != _VERSION:
        raise ValueError(
            f"source must be a manifest of version {_VERSION}, got version {about.get('version')} "
            f"in {path}. Index the images again."
        )
    root = Path(stored_root if root is None else root)
    if not root.is_dir():
        raise FileNotFoundError(
            f"root must be an existing folder, got {root} in {path}. Pass root= if the "
            "images have moved, or index them again."
        )
    if not allow_outside and (outside := next(find_outside(root, fixed["path"].tolist()), None)):
        raise ValueError(
            f"path must stay below the root {root}, got {outside}. Pass allow_outside=True "
            "(--allow-outside) if you trust it."
        )
    more = {"classes": classes, "refused": refused, "allow_outside": allow_outside, "voi": voi}
    return {"root": root, "columns": columns} | fixed | more
