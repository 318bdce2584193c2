"""Columns of pyarrow → columns of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_numpy(column: Any) -> np.ndarray:
    """Turn a column of pyarrow without gaps into numbers or text.

    Parameters
    ----------
    column : pyarrow.ChunkedArray

    Returns
    -------
    numpy.ndarray, [N]

    Raises
    ------
    TypeError
        If it holds anything else.
    """
    import pyarrow as pa

    if column.null_count or not (
        pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
        or pa.types.is_string(column.type)
    ):
        raise TypeError(f"a column of type {column.type}")
    values = column.to_numpy()
    return values.astype(str) if values.dtype == object else values
