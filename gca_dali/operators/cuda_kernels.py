"""The CUDA kernels behind the operators, launched on the stream that DALI runs them on.

Enters: CuPy arrays of DALI's memory, and what the host knows. Leaves: CuPy arrays. What is needed
of the host goes there in one copy; nothing waits for the GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.operators.kernels import Key
from gca_dali.steps.decode import EIGHT_BITS
from gca_dali.steps.windows import UNITS_PER_CELL
from gca_dali_kernels.gpu import import_cupy
from gca_dali_kernels.integrate_maps import integrate_maps
from gca_dali_kernels.render_views import ImageTable, describe_images, render_views
from gca_dali_kernels.resident import Sender
from gca_dali_kernels.sample_cutouts import sample_cutouts
from gca_dali_kernels.sample_windows import sample_windows

if TYPE_CHECKING:
    from gca_dali.operators.maps import PredictMaps
    from gca_dali.policy.view_policy import ViewPolicy


class CudaKernels:
    """Launches on CuPy's current stream, which DALI sets to its own; see `Kernels`."""

    def __init__(self) -> None:
        self.sender = Sender()

    def stack(self, arrays: Sequence[Any]) -> Any:
        """Return arrays as one; see `Kernels`."""
        return import_cupy().stack(arrays)

    def plan(
        self,
        maps: Any,
        members: np.ndarray,
        index: np.ndarray,
        shapes: np.ndarray,
        key: Key,
        policy: ViewPolicy,
    ) -> tuple[Any, ...]:
        """Return the fields of `Windows`; see `Kernels`."""
        cupy, laws = import_cupy(), policy.laws
        scale = shapes / (np.array(maps.shape[1:], np.float64) * UNITS_PER_CELL)
        rows, there, sizes, scale = self.sender.send((members, index, shapes, scale))
        integrals, marks = integrate_maps(maps, rows)
        units, turns, retained, grown, focus = sample_windows(
            integrals, marks, there, sizes, key, laws
        )
        cutouts = sample_cutouts(integrals, units, turns, there, sizes, key, laws)
        edges = units.astype(np.float64)
        start = (edges[..., :2] * scale[:, None]).astype(np.float32)
        size = ((edges[..., 2:] - edges[..., :2]) * scale[:, None]).astype(np.float32)
        middle = cupy.where(focus >= 0, (focus + 0.5) * scale, np.nan).astype(np.float32)
        return start, size, turns, retained, grown, middle, units, cutouts, marks

    def render(
        self,
        images: Sequence[Any],
        ranges: np.ndarray | None,
        plan: tuple[Any, ...],
        members: np.ndarray,
        index: np.ndarray,
        key: Key,
        policy: ViewPolicy,
    ) -> list[Any]:
        """Return views; see `Kernels`."""
        cupy = import_cupy()
        pointers, shapes, dtype = describe_images(images)
        black_and_white = np.tile(EIGHT_BITS, (len(images), 1)) if ranges is None else ranges
        if ranges is None and dtype == "float32":
            black_and_white = black_and_white / 255
        sent = (members, index, pointers, shapes, black_and_white.astype(np.float32))
        rows, there, pointers, shapes, values = self.sender.send(sent)
        if ranges is None and dtype == "uint16":
            values = own_ranges(images)
        table, *others = plan
        if len(members) < len(table):
            others = [part[rows] for part in others]
        views = []
        for group, looks in zip(policy.groups, policy.looks, strict=True):
            shape = (len(images), group.num_views, group.size, group.size)
            out = cupy.empty(shape, getattr(cupy, policy.dtype))
            all_of_it = (table, rows, *others)
            source = ImageTable(pointers, shapes, dtype)
            render_views(source, values, all_of_it, there, key, looks, out)
            views.append(cupy.repeat(out[:, :, None], policy.channels, axis=2))
        return views


def own_ranges(images: Sequence[Any]) -> Any:
    """Return the least and the greatest value of each deep image, float32, [B, 2]."""
    cupy = import_cupy()
    low = cupy.stack([image.min() for image in images]).astype(np.float32)
    high = cupy.stack([image.max() for image in images]).astype(np.float32)
    return cupy.stack([low, cupy.maximum(high, low + 1)], axis=1)


class PredictOnStream:
    """`PredictMaps` of images on the GPU: the network runs on DALI's stream, as they do.

    It waits for the maps of images that are met for the first time, and for nothing afterwards.
    """

    def __init__(self, predict: PredictMaps) -> None:
        self.predict, self.sender = predict, Sender()

    def __call__(self, images: Sequence[Any], keys: Sequence[np.ndarray]) -> list[Any]:
        """Return maps, uint8, B × [h, w], on the GPU."""
        import torch

        stream = torch.cuda.ExternalStream(import_cupy().cuda.get_current_stream().ptr)
        with torch.cuda.stream(stream):
            maps = np.stack(self.predict(images, keys))
        (there,) = self.sender.send((maps,))
        return list(there)
