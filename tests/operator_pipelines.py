"""Pipelines of operators beside a loader that makes the same keys.

Enters: a loader. Leaves: what a pipeline of `gca_dali.fn` gives for the batches that the loader
hands out, in NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import nvidia.dali.fn as fn
from nvidia.dali import pipeline_def, types

import gca_dali.fn as gfn
from gca_dali import GCALoader
from gca_dali.steps.decode import decode_grey


@dataclass
class Found:
    """A batch of a pipeline: views of each group, [B, v, C, H, W]; windows, [B, V, 4]; the rest."""

    views: list[np.ndarray]
    windows: np.ndarray
    turns: np.ndarray
    retained: np.ndarray
    grown: np.ndarray
    focus: np.ndarray
    keys: np.ndarray


def files_of(loader: GCALoader, epoch: int) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """Yield encoded files and keys of the loader's batches, or its images."""
    for batch in loader.order.batches(epoch):
        files = [np.fromfile(loader.manifest.files[i], np.uint8) for i in batch.tolist()]
        yield files, np.stack([batch, np.full_like(batch, epoch)], axis=1)


def run_pipeline(
    loader: GCALoader,
    *,
    branches: bool = False,
    apart: bool = False,
    epoch: int = 0,
    device: str = "cpu",
):
    """Yield what operators make of the batches of an epoch.

    `branches` sends samples of even index one way and the others another; `apart` draws and
    renders in two operators; on the "gpu" both of these run there.
    """
    batches = files_of(loader, epoch)
    options = {"policy": loader.policy, "seed": loader.config.seed}
    deep = bool((loader.manifest.bits > 8).any())

    def make(encoded, keys) -> tuple[Any, ...]:
        images = decode_grey(encoded, deep, "cpu" if deep or device == "cpu" else "mixed")
        if device == "gpu" and deep:
            images = images.gpu()
        maps = gfn.saliency(keys, loader.table, device=device)
        if not apart:
            views, windows = gfn.gaze_views(images, maps, keys, **options)
        else:
            shapes = fn.peek_image_shape(encoded)
            windows = gfn.sample_windows(maps, keys, shapes, **options)
            views = gfn.render_views(images, maps, windows, keys, **options)
        return (*views, *windows[:6], keys)

    @pipeline_def(
        batch_size=loader.config.batch_size,
        num_threads=2,
        device_id=None if device == "cpu" else 0,
        enable_conditionals=branches,
    )
    def define():
        encoded, keys = fn.external_source(batches, num_outputs=2, batch=True)
        if not branches:
            return make(encoded, keys)
        if fn.cast(keys[0] % 2, dtype=types.BOOL):
            found = make(encoded, keys)
        else:
            found = make(encoded, keys)
        return found

    pipeline = define()
    pipeline.build()
    while True:
        try:
            outputs = pipeline.run()
        except StopIteration:
            return
        yield unpack(outputs, len(loader.policy.groups))


def unpack(outputs: tuple[Any, ...], num_groups: int) -> Found:
    """Return the outputs of a pipeline as arrays."""
    on_host = [output.as_cpu() for output in outputs]
    arrays = [np.stack([np.array(sample) for sample in output]) for output in on_host]
    start, size, *others = arrays[num_groups:]
    return Found(arrays[:num_groups], np.concatenate([start, size], axis=-1), *others)


def assert_same(found: Found, batch: Any, tolerance: float = 0.0) -> None:
    """Compare with a `ViewBatch`: windows to the bit, views within the tolerance."""
    np.testing.assert_array_equal(found.keys[:, 0], batch.index.numpy())
    np.testing.assert_array_equal(found.windows, batch.windows.numpy())
    for name in ("retained", "grown", "focus"):
        np.testing.assert_array_equal(getattr(found, name), getattr(batch, name).numpy(), name)
    views = iter(batch.views)
    for group in found.views:
        for v in range(group.shape[1]):
            np.testing.assert_allclose(group[:, v], next(views).numpy(), rtol=0, atol=tolerance)
    assert next(views, None) is None
