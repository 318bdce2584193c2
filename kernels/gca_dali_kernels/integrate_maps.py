"""Quantise and integrate saliency maps on the GPU; twin of `reference.integrate_maps`.

Enters: the table of maps, which stays on the device, and rows of it. Leaves: integral images and
marks. Next: `sample_windows`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gca_dali_kernels.gpu import explained_errors, import_cupy
from gca_dali_kernels.launch import Launch, run, stream_at
from gca_dali_kernels.law import MAX_MAP_SIDE
from gca_dali_kernels.reference.integrate_maps import MASK_AREA

NUM_THREADS = 256
NUM_MARKS = 5


def integrate_maps(
    table: Any, rows: Any, stream: int | None = None, out: tuple[Any, Any] | None = None
) -> tuple[Any, Any]:
    """Return integral images, uint32, [B, h + 1, w + 1], and marks, int32, [B, 5].

    Parameters
    ----------
    table : cupy.ndarray, uint8, [N, h, w]
        Quantised maps of at most 256 × 256 cells.
    rows : cupy.ndarray, int64, [B]
        Rows of the table; not checked against N.
    stream : int, optional
        Address of a CUDA stream; None means CuPy's current stream.
    out : tuple of cupy.ndarray, optional
        Where to write; made from CuPy's memory pool otherwise.

    Raises
    ------
    ValueError
        If a map is larger.
    RuntimeError
        If the GPU fails.
    """
    check_map_shape(table.shape)
    if out is None:
        num_maps, (height, width) = len(rows), table.shape[1:]
        with explained_errors(), stream_at(stream):
            cupy = import_cupy()
            integrals = cupy.empty((num_maps, height + 1, width + 1), cupy.uint32)
            out = integrals, cupy.empty((num_maps, NUM_MARKS), cupy.int32)
    run(build_launch(table, rows, out), stream)
    return out


def build_launch(table: Any, rows: Any, out: tuple[Any, Any]) -> Launch:
    """Return the launch that integrates `rows` of the table into `out`."""
    height, width = table.shape[1:]
    most_hidden = int(MASK_AREA * height * width)
    sizes = (np.int32(height), np.int32(width), np.int32(most_hidden))
    return Launch("integrate_maps", (len(rows), 1, 1), NUM_THREADS, (table, rows, *sizes, *out))


def check_map_shape(shape: tuple[int, ...]) -> None:
    """Refuse maps that the kernels' integers cannot hold.

    Raises
    ------
    ValueError
        If a side is not 1 to 256 cells.
    """
    if len(shape) != 3 or not all(1 <= side <= MAX_MAP_SIDE for side in shape[1:]):
        raise ValueError(
            f"maps must be [N, h, w] of 1 to {MAX_MAP_SIDE} cells a side, got {tuple(shape)}. "
            "Resize them; 64 × 64 is usual."
        )
