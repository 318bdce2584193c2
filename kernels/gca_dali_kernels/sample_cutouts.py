"""Draw cutouts that hide little saliency on the GPU; twin of `reference.sample_cutouts`.

Enters: integral images, and the windows and turns of `sample_windows`. Leaves: rectangles of the
view. Next: `render_views`, which fills them with black.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gca_dali_kernels.gpu import explained_errors, import_cupy
from gca_dali_kernels.launch import Launch, make_grid, run, stream_at
from gca_dali_kernels.law import ViewLaws
from gca_dali_kernels.resident import cutout_tables

NUM_THREADS = 128


def sample_cutouts(
    integrals: Any,
    windows: Any,
    turns: Any,
    index: Any,
    shapes: Any,
    key: tuple[int, int],
    laws: ViewLaws,
    stream: int | None = None,
) -> Any:
    """Draw one cutout for each view; see `reference.sample_cutouts`.

    Parameters
    ----------
    integrals : cupy.ndarray, uint32, [B, h + 1, w + 1]
    windows : cupy.ndarray, int32, [B, V, 4]
    turns : cupy.ndarray, int32, [B, V, 2]
    index : cupy.ndarray, int64, [B]
    shapes : cupy.ndarray, int32, [B, 2]
    key : tuple of int
        Seed and epoch.
    laws : ViewLaws
    stream : int, optional
        Address of a CUDA stream; None means CuPy's current stream.

    Returns
    -------
    cupy.ndarray, int32, [B, V, 4]
        y0, x0, y1, x1 in 1/65536 of the view's sides; zeros for no cutout.

    Raises
    ------
    RuntimeError
        If the GPU fails.
    """
    with explained_errors(), stream_at(stream):
        cutouts = import_cupy().empty(windows.shape, np.int32)
    inputs = (integrals, windows, turns, index, shapes)
    run(build_launch(inputs, key, cutout_tables(laws), cutouts), stream)
    return cutouts


def build_launch(
    inputs: tuple[Any, Any, Any, Any, Any],
    key: tuple[int, int],
    tables: tuple[Any, ...],
    cutouts: Any,
) -> Launch:
    """Return the launch that writes `cutouts`.

    Parameters
    ----------
    inputs : tuple
        Integrals, windows, turns, index and shapes.
    key : tuple of int
    tables : tuple
        Of `cutout_tables`, where the kernel can read them.
    cutouts : array, int32, [B, V, 4]
    """
    integrals = inputs[0]
    num_images, num_views = cutouts.shape[:2]
    grid = make_grid((integrals.shape[1] - 1, integrals.shape[2] - 1))
    words = (np.uint64(key[0]), np.uint32(key[1]))
    arguments = (*inputs, grid, *words, *tables, cutouts)
    return Launch("sample_cutouts", (num_views, num_images, 1), NUM_THREADS, arguments)
