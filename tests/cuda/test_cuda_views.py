"""The GPU's steps after decoding, on a GPU of straw: the batches are those of the CPU's loader."""

from __future__ import annotations

import numpy as np
import nvidia.dali.fn as fn
import pytest
import torch

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.pipeline import build_pipeline
from gca_dali.runners import cuda as cuda_views
from gca_dali.runners.cuda import CudaViews, DeviceImages
from gca_dali.runners.device_table import DeviceTable
from gca_dali.steps.read import BatchSource
from gca_dali_kernels.resident import Sender
from straw_gpu import read_images
from straw_loader import STREAM, TOLERANCE, StrawPipeline, assert_same_batch, put_on_straw

KERNELS = ["integrate_maps", "sample_windows", "sample_cutouts", "render_views"]


@pytest.mark.parametrize(
    "policy",
    [
        ViewPolicy.gca(size=64),
        ViewPolicy.focus_contrast(size=61, channels=3, dtype="float16", num_views=3),
        ViewPolicy.random(size=56, dtype="bfloat16", num_views=1),
        ViewPolicy.gca_dino(size=56),
    ],
    ids=["gca", "focus_contrast", "random", "gca_dino"],
)
def test_the_batches_are_those_of_the_cpu(straw, phantoms, policy):
    manifest = Manifest.from_csv(phantoms / "labels.csv").take(np.arange(9))
    options = {"batch_size": 4, "drop_last": False, "device": "cpu"}
    options["saliency"] = phantoms / "maps"
    expected = GCALoader(manifest, policy, **options)
    found = put_on_straw(GCALoader(manifest, policy, **options))
    for mine, other in zip(found, expected, strict=True):
        assert_same_batch(mine, other, TOLERANCE[policy.dtype])
    # One launch draws all windows; each group of views is rendered by one of its own.
    assert straw.launched == (KERNELS[:3] + KERNELS[3:] * len(policy.groups)) * 3


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
        self.seen: list[tuple[int, int]] = []

    def rows(self, index):
        return index

    def take(self, index, images):
        self.seen += [(i, int(image[0, 0])) for i, image in zip(index, images, strict=True)]
        self.maps[index] = index[:, None, None] + 1
        return self.maps[index]


def test_maps_are_sent_once_and_predicted_from_the_images(straw):
    table = Predicting(5)
    there = DeviceTable(table, torch.device("cpu"), Sender())  # type: ignore[arg-type]
    images = [np.full((3, 3, 1), value, np.uint8) for value in range(5)]
    first = np.array([3, 1, 3])
    rows = there.rows(first, [images[i] for i in first], STREAM)
    assert rows.tolist() == [3, 1, 3]
    second = np.array([1, 4])
    there.rows(second, [images[i] for i in second], STREAM)
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
    # On the CPU a set of PNGs needs no decoder of DALI's.
    source = BatchSource(manifest, loader.quarantine, 0, 1, "cuda:1")
    vars(loader)["source"] = source
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


def test_an_image_of_4_gib_is_refused():
    shapes = np.array([[96, 96], [40_000, 60_000]], np.int32)
    with pytest.raises(
        ValueError, match=r"images must be below 4 GiB, got \[40000, 60000\] of uint16"
    ):
        DeviceImages(np.zeros(2, np.uint64), shapes, "uint16", [])
    assert DeviceImages(np.zeros(2, np.uint64), shapes, "uint8", []).dtype == "uint8"
