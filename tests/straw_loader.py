"""A loader on a GPU of straw: the CPU's DALI pipeline, then the GPU's steps after decoding.

Enters: a loader made for the CPU, and the fixture `straw` of `tests/cuda`. Leaves: the same loader,
with batches that `CudaViews` makes.
"""

from __future__ import annotations

from typing import Any

import nvidia.dali.fn as fn
import torch

from gca_dali import GCALoader, ViewBatch
from gca_dali.pipeline import load_images
from gca_dali.runners.cuda import CudaViews

STREAM = 4660
# The CPU shrinks large images by halves first; these are small, and its sums differ in rounding.
TOLERANCE = {"float32": 2.0**-15, "float16": 2.0**-8, "bfloat16": 2.0**-5}


class StrawPipeline:
    """The pipeline of a GPU, which ends with the images, on the CPU."""

    def __init__(self, loader: GCALoader) -> None:
        from nvidia.dali import pipeline_def

        @pipeline_def(batch_size=loader.config.batch_size, num_threads=1, device_id=None)
        def define():
            images, keys = load_images(loader.source, loader._maker, loader._deep, "cpu")
            find = loader._maker.find_ranges
            ranges = fn.python_function(images, keys, function=find, batch_processing=True)
            return (images, keys, ranges) if loader._deep else (images, keys)

        self.pipeline = define(prefetch_queue_depth=2)
        self.reset = self.pipeline.reset

    def run(self, stream: Any) -> tuple[Any, ...]:
        """Return the next batch, ordered on the caller's stream."""
        assert stream.cuda_stream == STREAM
        return self.pipeline.run()


def put_on_straw(loader: GCALoader, pipeline: Any = None) -> GCALoader:
    """Let a loader of the CPU take the GPU's steps after decoding."""
    vars(loader)["_pipeline"] = pipeline or StrawPipeline(loader)
    vars(loader)["_cuda"] = CudaViews(loader._maker, loader.manifest.label, "cpu")
    return loader


def assert_same_batch(found: ViewBatch, expected: ViewBatch, tolerance: float) -> None:
    """Fail unless all but the views is equal, and those are within the tolerance."""
    for name in ("index", "label", "windows", "retained", "grown"):
        mine, other = getattr(found, name), getattr(expected, name)
        assert mine.dtype == other.dtype
        assert torch.equal(mine, other), name
    assert torch.equal(found.focus.nan_to_num(-1), expected.focus.nan_to_num(-1))
    assert found.groups == expected.groups
    assert len(found.views) == len(expected.views)
    for view, other in zip(found.views, expected.views, strict=True):
        assert (view.dtype, view.shape) == (other.dtype, other.shape)
        torch.testing.assert_close(view, other, rtol=0, atol=tolerance)
