"""The index of a store as a parquet file: the manifest's columns, and where each sample lies.

Columns enter and bytes leave, or the other way round. `gca_dali.prepare` writes it,
`gca_dali.store.open` reads it.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import numpy as np

from gca_dali.common.arrow import to_numpy
from gca_dali.common.machine import is_machine_fault

PREFIX = "stored_"
PLACE_COLUMNS = ("shard", "height", "width", "offset", "length", "checksum", "fault")
_KEY = b"gca_dali.store"


def write_index(file: BinaryIO, columns: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """Write the index.

    Parameters
    ----------
    file : BinaryIO
    columns : dict of str to numpy.ndarray, [N] each
        Those of the manifest that was prepared, and ``PLACE_COLUMNS``, each behind ``PREFIX``.
    about : dict
        "classes", list of str, and "refused", list of [path, reason].
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

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
        "columns" (all of the manifest), "classes", and "refused", pairs of path and reason.
    places : dict of str to numpy.ndarray
        The columns ``PLACE_COLUMNS``.

    Raises
    ------
    ValueError
        If it is no such index.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
        about = json.loads((table.schema.metadata or {})[_KEY])
        columns = {name: to_numpy(table.column(name)) for name in table.column_names}
        places = {name: columns.pop(PREFIX + name) for name in PLACE_COLUMNS}
        for name, values in places.items():
            if (values.dtype.kind == "U") != (name == "fault"):
                raise TypeError(f"{name} of type {values.dtype}")
            places[name] = values if name == "fault" else values.astype(np.int64)
        classes = tuple(map(str, about["classes"]))
        refused = tuple((str(path), str(reason)) for path, reason in about["refused"])
    # pyarrow calls damage an OSError.
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        if is_machine_fault(error):
            raise
        raise ValueError(f"no index of a store ({type(error).__name__})") from None
    return {"columns": columns, "classes": classes, "refused": refused}, places
