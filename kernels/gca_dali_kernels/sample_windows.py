"""Draw saliency-weighted windows on the GPU; twin of `reference.sample_windows`, to the bit.

Enters: integral images and marks of `integrate_maps`, sample indices, image shapes, the laws of all
views. Leaves: windows, turns, retained shares, which windows had to grow, and the points that views
share. Next: `sample_cutouts` and `render_views`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gca_dali_kernels.gpu import explained_errors, import_cupy
from gca_dali_kernels.launch import Launch, make_grid, run, stream_at
from gca_dali_kernels.law import ViewLaws
from gca_dali_kernels.resident import window_tables

NUM_THREADS = 256

Windows = tuple[Any, Any, Any, Any, Any]


def sample_windows(
    integrals: Any,
    marks: Any,
    index: Any,
    shapes: Any,
    key: tuple[int, int],
    laws: ViewLaws,
    stream: int | None = None,
) -> Windows:
    """Draw the windows of all V views of each of B images; see `reference.sample_windows`.

    Parameters
    ----------
    integrals : cupy.ndarray, uint32, [B, h + 1, w + 1]
    marks : cupy.ndarray, int32, [B, 5]
    index : cupy.ndarray, int64, [B]
    shapes : cupy.ndarray, int32, [B, 2]
        Height and width of each image in pixels, at most 65,535.
    key : tuple of int
        Seed (uint64) and epoch (uint32).
    laws : ViewLaws
    stream : int, optional
        Address of a CUDA stream; None means CuPy's current stream.

    Returns
    -------
    tuple of cupy.ndarray
        Windows, int32, [B, V, 4]; turns, int32, [B, V, 2]; retained, float32, [B, V]; grown, bool,
        [B, V]; focus, int32, [B, 2]; from CuPy's memory pool.

    Raises
    ------
    RuntimeError
        If the GPU fails.
    """
    shape = (len(index), laws.num_views)
    with explained_errors(), stream_at(stream):
        cupy = import_cupy()
        out = (
            cupy.empty((*shape, 4), cupy.int32),
            cupy.empty((*shape, 2), cupy.int32),
            cupy.empty(shape, cupy.float32),
            cupy.empty(shape, cupy.bool_),
            cupy.empty((len(index), 2), cupy.int32),
        )
    tables = (laws.focus_view, *window_tables(laws))
    run(build_launch((integrals, marks, index, shapes), key, tables, out), stream)
    return out


def build_launch(
    inputs: tuple[Any, Any, Any, Any],
    key: tuple[int, int],
    tables: tuple[Any, ...],
    out: Windows,
) -> Launch:
    """Return the launch that writes `out`.

    Parameters
    ----------
    inputs : tuple
        Integrals, marks, index and shapes.
    key : tuple of int
    tables : tuple
        `ViewLaws.focus_view`, and `window_tables` where the kernel can read them.
    out : tuple
        Windows, turns, retained, grown and focus.
    """
    integrals, marks, index, shapes = inputs
    num_images, num_views = out[0].shape[:2]
    grid = make_grid((integrals.shape[1] - 1, integrals.shape[2] - 1))
    words = (np.uint64(key[0]), np.uint32(key[1]))
    # Where no view has a focus the first one says so.
    writer = np.int32(max(tables[0], 0))
    arguments = (integrals, marks, index, shapes, grid, *words, writer, *tables[1:], *out)
    return Launch("sample_windows", (num_views, num_images, 1), NUM_THREADS, arguments)
