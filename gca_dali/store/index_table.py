"""The index of a store as a parquet file: the manifest's columns, and where each sample lies.

Columns enter and bytes leave, or the other way round. `gca_dali.prepare` writes it,
`gca_dali.store.open` reads it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from gca_dali.index import Refused, is_plain_text
from gca_dali.rows import COLUMNS

if TYPE_CHECKING:
    from gca_dali.rows import Rows

PREFIX = "stored_"
PLACE_COLUMNS = ("shard", "height", "width", "offset", "length", "checksum", "fault")
_KEY = b"gca_dali.store"


def write_index(file: BinaryIO, rows: Rows, places: dict[str, np.ndarray]) -> None:
    """Write the index.

    Parameters
    ----------
    file : BinaryIO
    rows : Rows
        The manifest that was prepared.
    places : dict of str to numpy.ndarray
        The columns ``PLACE_COLUMNS``, [N] each.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = rows.all_columns() | {PREFIX + name: places[name] for name in PLACE_COLUMNS}
    about = {
        "classes": list(rows.classes),
        "refused": [[item.path, item.reason] for item in rows.refused],
    }
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    table = table.replace_schema_metadata({_KEY: json.dumps(about).encode()})
    pq.write_table(table, file, compression="zstd")


def read_index(file: BinaryIO) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what :func:`write_index` wrote.

    Parameters
    ----------
    file : BinaryIO
        Its bytes must be those whose digest `store.json` holds: the parquet reader is native code.

    Returns
    -------
    rows : dict
        Arguments of ``Manifest``, without its root and places.
    places : dict of str to numpy.ndarray
        The columns ``PLACE_COLUMNS``.

    Raises
    ------
    ValueError
        If it is no such index.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from gca_dali.manifest_parquet import to_numpy

    try:
        table = pq.read_table(file)
        about = json.loads((table.schema.metadata or {})[_KEY])
        columns = {name: to_numpy(table.column(name)) for name in table.column_names}
        places = {name: columns.pop(PREFIX + name) for name in PLACE_COLUMNS}
        fixed = {name: columns.pop(name) for name in COLUMNS}
        for name, values in places.items():
            if (values.dtype.kind == "U") != (name == "fault"):
                raise TypeError(f"{name} of type {values.dtype}")
            places[name] = values if name == "fault" else values.astype(np.int64)
        classes = tuple(map(str, about["classes"]))
        refused = tuple(Refused(str(path), str(reason)) for path, reason in about["refused"])
    # pyarrow calls damage an OSError.
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no index of a store ({type(error).__name__})") from None
    if not all(map(is_plain_text, fixed["path"].tolist())):
        raise ValueError("a path that is not plain text")
    return {"columns": columns, "classes": classes, "refused": refused} | fixed, places
