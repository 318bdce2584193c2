"""Draw saliency-weighted windows on the GPU; twin of `reference.sample_windows`, to the bit.

Enters: integral images and marks of `integrate_maps`, sample indices, image shapes, a law. Leaves:
windows, turns, retained shares, and which windows had to grow. Next: `sample_cutouts` and
`render_views`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gca_dali_kernels.gpu import explained_errors, import_cupy
from gca_dali_kernels.launch import Launch, make_grid, run, stream_at
from gca_dali_kernels.law import WindowLaw
from gca_dali_kernels.resident import law_tables

NUM_THREADS = 256

Windows = tuple[Any, Any, Any, Any]


def sample_windows(
    integrals: Any,
    marks: Any,
    index: Any,
    shapes: Any,
    key: tuple[int, int],
    law: WindowLaw,
    num_views: int,
    stream: int | None = None,
) -> Windows:
    """Draw `num_views` windows for each of B images; see `reference.sample_windows`.

    Parameters
    ----------
    integrals : cupy.ndarray, uint32, [B, h + 1, w + 1]
    marks : cupy.ndarray, int32, [B, 5]
    index : cupy.ndarray, int64, [B]
    shapes : cupy.ndarray, int32, [B, 2]
        Height and width of each image in pixels, at most 65,535.
    key : tuple of int
        Seed (uint64) and epoch (uint32).
    law : WindowLaw
    num_views : int
    stream : int, optional
        Address of a CUDA stream; None means CuPy's current stream.

    Returns
    -------
    tuple of cupy.ndarray
        Windows, int32, [B, V, 4]; turns, int32, [B, V, 2]; retained, float32, [B, V]; grown, bool,
        [B, V]; from CuPy's memory pool.

    Raises
    ------
    RuntimeError
        If the GPU fails.
    """
    shape = (len(index), num_views)
    with explained_errors(), stream_at(stream):
        cupy = import_cupy()
        out = (
            cupy.empty((*shape, 4), cupy.int32),
            cupy.empty((*shape, 2), cupy.int32),
            cupy.empty(shape, cupy.float32),
            cupy.empty(shape, cupy.bool_),
        )
    run(build_launch((integrals, marks, index, shapes), key, law, law_tables(law), out), stream)
    return out


def build_launch(
    inputs: tuple[Any, Any, Any, Any],
    key: tuple[int, int],
    law: WindowLaw,
    tables: tuple[Any, Any, Any],
    out: Windows,
) -> Launch:
    """Return the launch that writes `out`.

    Parameters
    ----------
    inputs : tuple
        Integrals, marks, index and shapes.
    key : tuple of int
    law : WindowLaw
    tables : tuple
        The law's aspects, rotations and betas where the kernel can read them.
    out : tuple
        Windows, turns, retained and grown.
    """
    integrals, marks, index, shapes = inputs
    num_images, num_views = out[0].shape[:2]
    grid = make_grid((integrals.shape[1] - 1, integrals.shape[2] - 1))
    words = (np.uint64(key[0]), np.uint32(key[1]))
    arguments = (integrals, marks, index, shapes, grid, *words, law.record, *tables, *out)
    return Launch("sample_windows", (num_views, num_images, 1), NUM_THREADS, arguments)
