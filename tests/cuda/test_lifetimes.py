"""What the GPU has not read yet is still there when it does: on a slow GPU of straw.

Its views are rendered after the next batches have been decoded; the pipeline writes over a batch's
memory as soon as nobody holds it, as DALI does.
"""

from __future__ import annotations

import gc
from types import SimpleNamespace
from weakref import finalize

import numpy as np
import pytest
import torch

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.runners.in_flight import InFlight
from straw_loader import TOLERANCE, StrawPipeline, assert_same_batch, put_on_straw

POISON = 0xAB


class RecycledImages:
    """A list of DALI's on the device: its memory goes back to the pool when nobody holds it."""

    def __init__(self, pool: list[np.ndarray], images: list[np.ndarray]) -> None:
        size = max(image.nbytes for image in images)
        fitting = [place for place, memory in enumerate(pool) if memory.shape[1] >= size]
        self.memory = pool.pop(fitting[0]) if fitting else np.empty((len(images), size), np.uint8)
        for line, image in zip(self.memory, images, strict=False):
            line[: image.nbytes] = image.reshape(-1).view(np.uint8)
        self.shapes = [image.shape for image in images]
        self.dtype = SimpleNamespace(name=str(images[0].dtype).upper())
        finalize(self, give_back, pool, self.memory)

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, place: int) -> SimpleNamespace:
        return SimpleNamespace(data_ptr=lambda: self.memory[place].ctypes.data)

    def shape(self) -> list[tuple[int, ...]]:
        return self.shapes


def give_back(pool: list[np.ndarray], memory: np.ndarray) -> None:
    memory[:] = POISON
    pool.append(memory)


class RecyclingPipeline(StrawPipeline):
    """A pipeline with as much memory as its user holds on to."""

    def __init__(self, loader: GCALoader) -> None:
        super().__init__(loader)
        self.pool: list[np.ndarray] = []
        self.alive: list[int] = []

    def run(self, stream):
        images, *others = super().run(stream)
        arrays = [np.array(images[place]) for place in range(len(images))]
        return (RecycledImages(self.pool, arrays), *others)


@pytest.mark.parametrize("saliency", ["centre", "maps"])
def test_images_outlive_the_kernels_that_read_them(straw, phantoms, saliency):
    """In both epochs; folders of maps too, whose images nobody exports."""
    manifest = Manifest.from_csv(phantoms / "labels.csv").take(np.arange(12))
    options = {"batch_size": 2, "device": "cpu", "saliency": saliency}
    if saliency == "maps":
        options["saliency"] = phantoms / "maps"
    policy = ViewPolicy.gca(size=48)
    straw.stream.slow = True
    slow = GCALoader(manifest, policy, **options)
    pipeline = RecyclingPipeline(slow)
    put_on_straw(slow, pipeline)
    found = [batch for _ in range(2) for batch in slow]
    straw.stream.finish(straw.stream.num_queued)
    loader = GCALoader(manifest, policy, **options)
    expected = [batch for _ in range(2) for batch in loader]
    for mine, other in zip(found, expected, strict=True):
        assert_same_batch(mine, other, TOLERANCE["float32"])
    # What was read is let go: the sender bounds how many batches wait, whatever the epoch's length.
    list(slow)
    straw.stream.finish(straw.stream.num_queued)
    assert len(pipeline.pool) <= 6


def test_a_loader_that_is_dropped_waits_for_its_kernels(straw, phantoms):
    manifest = Manifest.from_csv(phantoms / "labels.csv").take(np.arange(4))
    options = {"batch_size": 2, "device": "cpu", "saliency": "centre"}
    policy = ViewPolicy.gca(size=48)
    straw.stream.slow = True
    slow = GCALoader(manifest, policy, **options)
    put_on_straw(slow, RecyclingPipeline(slow))
    found = list(slow)
    assert straw.stream.num_done == 0
    del slow
    gc.collect()
    assert straw.stream.num_done == straw.stream.num_queued == 2
    for mine, other in zip(found, GCALoader(manifest, policy, **options), strict=True):
        assert_same_batch(mine, other, TOLERANCE["float32"])


class Owner:
    """Something with memory."""


def test_an_owner_lets_go_of_what_was_read(straw):
    freed, kept = [], InFlight()
    straw.stream.slow = True
    for name in ("first", "second", "third"):
        owner = Owner()
        finalize(owner, freed.append, name)
        straw.stream.submit(lambda: None)
        kept.hold(owner)
        del owner
    assert freed == []
    straw.stream.finish(2)
    kept.hold()
    assert sorted(freed) == ["first", "second"]


class FailedEvent:
    """An event of a GPU that has failed."""

    def __init__(self, **options) -> None:
        self.options = options

    def record(self) -> None:
        pass

    def synchronize(self) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


def test_a_gpu_that_has_failed_ends_in_silence(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "Event", FailedEvent)
    kept = InFlight()
    kept.hold(object())
    del kept
    assert capsys.readouterr().err == ""


def test_dali_does_not_write_to_what_python_holds(phantoms):
    """Of its memory on the host; `test_gpu_questions.py` asks the same of the device's."""
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    loader = GCALoader(manifest, ViewPolicy.random(), batch_size=2, device="cpu")
    loader.source.start(loader.order.batches(0), 0)
    pipeline = StrawPipeline(loader).pipeline
    held = [pipeline.run()[0] for _ in range(12)]
    assert len({images[b].data_ptr() for images in held for b in range(2)}) == 24
    addresses = set()
    for _ in range(2):
        addresses.add(pipeline.run()[0][0].data_ptr())
    before = {images[0].data_ptr() for images in held}
    assert not addresses & before
