"""The GPU's steps after decoding, on a GPU of straw: the batches are those of the CPU's loader."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import nvidia.dali.fn as fn
import pytest
import torch

from gca_dali import GCALoader, Manifest, ViewBatch, ViewPolicy
from gca_dali.pipeline import build_pipeline, load_images
from gca_dali.runners import cuda as cuda_views
from gca_dali.runners.cuda import CudaViews, DeviceImages
from gca_dali_kernels import integrate_maps, render_views, resident, sample_cutouts, sample_windows
from straw_gpu import StrawEvent, StrawRunner, as_straw, make_cupy, read_images

STREAM = 4660
KERNELS = ["integrate_maps", "sample_windows", "sample_cutouts", "render_views"]
CACHES = (resident._law_tables, resident._look_records, render_views.shared_memory)
# The CPU shrinks large images by halves first; these are small, and its sums differ in rounding.
TOLERANCE = {"float32": 2.0**-15, "float16": 2.0**-8, "bfloat16": 2.0**-5}


@pytest.fixture
def straw(sanitizer, builder, tmp_path, monkeypatch) -> Iterator[StrawRunner]:
    """Everything that reaches for a GPU finds one of straw; the runner knows what was launched."""
    runner = StrawRunner(builder, tmp_path)
    monkeypatch.setitem(sys.modules, "cupy", make_cupy())
    for module in (integrate_maps, sample_windows, sample_cutouts, render_views):
        monkeypatch.setattr(module, "run", runner)
    monkeypatch.setattr(cuda_views, "as_cupy", as_straw)
    stream = SimpleNamespace(cuda_stream=STREAM)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "Event", StrawEvent)
    for cache in CACHES:
        cache.cache_clear()
    yield runner
    for cache in CACHES:
        cache.cache_clear()


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

    def run(self, stream) -> tuple:
        assert stream.cuda_stream == STREAM
        return self.pipeline.run()


def put_on_straw(loader: GCALoader) -> GCALoader:
    """Let a loader of the CPU take the GPU's steps after decoding."""
    vars(loader)["_pipeline"] = StrawPipeline(loader)
    vars(loader)["_cuda"] = CudaViews(loader._maker, loader.manifest.label, "cpu")
    return loader


def assert_same_batch(found: ViewBatch, expected: ViewBatch, tolerance: float) -> None:
    for name in ("index", "label", "windows", "retained", "grown"):
        mine, other = getattr(found, name), getattr(expected, name)
        assert mine.dtype == other.dtype
        assert torch.equal(mine, other), name
    assert len(found.views) == len(expected.views)
    for view, other in zip(found.views, expected.views, strict=True):
        assert (view.dtype, view.shape) == (other.dtype, other.shape)
        torch.testing.assert_close(view, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("policy", "num_views"),
    [
        (ViewPolicy.gca(size=64), 2),
        (ViewPolicy.focus_contrast(size=61, channels=3, dtype="float16"), 3),
        (ViewPolicy.random(size=56, dtype="bfloat16"), 1),
    ],
    ids=["gca", "focus_contrast", "random"],
)
def test_the_batches_are_those_of_the_cpu(straw, phantoms, policy, num_views):
    manifest = Manifest.from_csv(phantoms / "labels.csv").take(np.arange(9))
    options = {"batch_size": 4, "drop_last": False, "num_views": num_views, "device": "cpu"}
    options["saliency"] = phantoms / "maps"
    expected = GCALoader(manifest, policy, **options)
    found = put_on_straw(GCALoader(manifest, policy, **options))
    for mine, other in zip(found, expected, strict=True):
        assert_same_batch(mine, other, TOLERANCE[policy.dtype])
    assert straw.launched == KERNELS * 3


def test_deep_images_bring_the_ranges_of_their_values(straw, deep_phantoms):
    manifest = Manifest.from_csv(deep_phantoms / "labels.csv")
    options = {"batch_size": 2, "saliency": "centre", "device": "cpu"}
    policy = ViewPolicy.gca(size=64)
    found = put_on_straw(GCALoader(manifest, policy, **options))
    for mine, other in zip(found, GCALoader(manifest, policy, **options), strict=True):
        assert_same_batch(mine, other, TOLERANCE["float32"])


def test_a_resident_batch_points_at_the_images(straw, phantoms, monkeypatch):
    """What `ResidentPipeline` hands over on a GPU gives the views of the CPU's pipeline."""
    manifest = Manifest.from_csv(phantoms / "labels.csv").take(np.arange(6))
    options = {"batch_size": 3, "saliency": phantoms / "maps", "device": "cpu", "resident": True}
    policy = ViewPolicy.gca(size=64)
    found = GCALoader(manifest, policy, **options)
    found.source.start(iter(()), 0)
    vars(found._pipeline)["device"] = "cuda:0"  # the images were decoded by the CPU and lie in RAM
    vars(found)["_cuda"] = CudaViews(found._maker, manifest.label, "cpu")
    for mine, other in zip(found, GCALoader(manifest, policy, **options), strict=True):
        assert_same_batch(mine, other, TOLERANCE["float32"])


class Predicting:
    """A table that makes maps when they are first asked for."""

    def __init__(self, num_samples: int) -> None:
        self.maps = np.zeros((num_samples, 4, 4), np.uint8)
        self.row = np.arange(num_samples)
        self.seen: list[tuple[int, int]] = []

    def take(self, index, images):
        self.seen += [(i, int(image[0, 0])) for i, image in zip(index, images, strict=True)]
        self.maps[index] = index[:, None, None] + 1
        return self.maps[index]


def test_maps_are_sent_once_and_predicted_from_the_images(straw):
    table = Predicting(5)
    there = cuda_views.DeviceTable(table, torch.device("cpu"))  # type: ignore[arg-type]
    images = [np.full((3, 3, 1), value, np.uint8) for value in range(5)]
    first = np.array([3, 1, 3])
    rows = there.rows(first, [images[i] for i in first])
    assert rows.tolist() == [3, 1, 3]
    second = np.array([1, 4])
    there.rows(second, [images[i] for i in second])
    assert [index for index, _ in table.seen] == [3, 1, 3, 4]
    assert all(index == pixel for index, pixel in table.seen)
    assert there.maps[[3, 1, 4], 0, 0].tolist() == [4, 2, 5]


def test_images_of_dali_are_described_by_address(phantoms):
    manifest = Manifest.from_csv(phantoms / "labels.csv").take(np.arange(2))
    loader = GCALoader(manifest, ViewPolicy.random(), batch_size=2, device="cpu")
    loader.source.start(loader.order.batches(0), 0)
    images, keys = StrawPipeline(loader).pipeline.run()
    there = DeviceImages.of(images)
    assert (there.dtype, there.shapes.tolist()) == ("uint8", [[96, 96]] * 2)
    assert there.pointers.dtype == np.uint64 and len(keys) == 2
    read_back = read_images(there.pointers, there.shapes, "uint8").images
    for image, read in zip(there.tensors, read_back, strict=True):
        np.testing.assert_array_equal(np.from_dlpack(image)[..., 0], read)


class Failing:
    """A table on a GPU that is full."""

    def __init__(self, *given) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to\nallocate 2 GiB.")


def test_too_little_memory_is_explained(straw, phantoms, monkeypatch):
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    loader = GCALoader(manifest, ViewPolicy.random(), batch_size=2, device="cpu")
    monkeypatch.setattr(cuda_views, "DeviceTable", Failing)
    with pytest.raises(RuntimeError, match=r"GPU memory must hold the batch, .* Lower batch_size"):
        CudaViews(loader._maker, manifest.label, "cpu")


@pytest.mark.parametrize(
    ("deep_rows", "expected"), [([], ["mixed"]), ([1], ["cpu", "mixed"]), (range(28), ["cpu"])]
)
def test_the_graph_of_a_gpu(deep_rows, expected, phantoms, monkeypatch):
    """A GPU decodes 8 bits; 16 bits come from the CPU with the ranges of their values."""
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    loader = GCALoader(manifest, ViewPolicy.random(), batch_size=2, device="cpu")
    loader.source.is_deep[deep_rows] = True
    deep = bool(loader.source.is_deep.any())
    graphs, decoders, decode = [], [], fn.decoders.image

    def note(*given, **named):
        decoders.append(named["device"])
        return decode(*given, **named)

    monkeypatch.setattr(fn.decoders, "image", note)
    monkeypatch.setattr("nvidia.dali.Pipeline.build", lambda self: graphs.append(self))
    build_pipeline(loader.source, loader._maker, deep=deep, batch_size=2, device="cuda:1")
    (graph,) = graphs
    graph._build_graph()
    assert graph.device_id == 1
    assert decoders == expected
    outputs = [output.device for output in graph._graph_out]
    assert outputs == ["gpu", "cpu", "cpu"][: 3 if deep else 2]
