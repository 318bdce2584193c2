"""Readers, iterators, shards, checkpoints: what goes on around the operators."""

from __future__ import annotations

import gc
import resource
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import nvidia.dali.fn as fn
import pytest
import torch
from nvidia.dali import Pipeline, pipeline_def, types
from nvidia.dali.plugin.pytorch import (
    DALIClassificationIterator,
    DALIGenericIterator,
    LastBatchPolicy,
)

import gca_dali.fn as gfn
from gca_dali import GCALoader, Manifest, ViewPolicy
from operator_pipelines import Found, assert_same, unpack

POLICY = ViewPolicy.gca_dino(size=32)
NAMES = ["globals", "locals", "start", "size", "turns", "retained", "grown", "focus", "keys"]


@pytest.fixture(scope="module")
def manifest(phantoms) -> Manifest:
    return Manifest.from_csv(phantoms / "labels.csv").take(np.arange(11))


def build(manifest: Manifest, shard: int = 0, num_shards: int = 1, **options: Any) -> Pipeline:
    """Return a pipeline of a user's: DALI's own reader, shuffled, and the operators."""
    num = len(manifest)

    @pipeline_def(batch_size=4, num_threads=2, device_id=None, **options)
    def define():
        encoded, index = fn.readers.file(
            files=manifest.files,
            labels=list(range(num)),
            random_shuffle=True,
            shard_id=shard,
            num_shards=num_shards,
            pad_last_batch=True,
            name="reader",
        )
        keys = gfn.keys(index, epoch=gfn.count_epochs(num, num_shards=num_shards))
        images = fn.decoders.image(encoded, output_type=types.GRAY)
        maps = gfn.saliency(keys, "centre")
        views, windows = gfn.gaze_views(images, maps, keys, policy=POLICY, seed=3)
        return (*views, *windows[:6], keys)

    pipeline = define()
    pipeline.build()
    return pipeline


@pytest.fixture(scope="module")
def expected(manifest) -> dict[tuple[int, int], np.ndarray]:
    """The loader's windows by key."""
    loader = GCALoader(manifest, POLICY, saliency="centre", batch_size=11, seed=3, device="cpu")
    found = {}
    for epoch in range(3):
        for batch in loader:
            windows = zip(batch.index.tolist(), batch.windows.numpy(), strict=True)
            found |= {(index, epoch): window for index, window in windows}
    return found


@pytest.mark.parametrize("num_shards", [1, 2])
def test_an_iterator_of_dali_goes_through_epochs_and_shards(manifest, expected, num_shards):
    pipelines = [build(manifest, shard, num_shards) for shard in range(num_shards)]
    iterators = [
        DALIGenericIterator(
            pipeline, NAMES, reader_name="reader", last_batch_policy=LastBatchPolicy.PARTIAL
        )
        for pipeline in pipelines
    ]
    for epoch in range(3):
        seen = Counter()
        for iterator in iterators:
            for (batch,) in iterator:
                assert batch["globals"].shape[1:] == (2, 1, 32, 32)
                assert batch["locals"].shape[1:] == (8, 1, 14, 14)
                windows = np.concatenate([batch["start"], batch["size"]], axis=-1)
                for key, window in zip(batch["keys"].tolist(), windows, strict=True):
                    seen[tuple(key)] += 1
                    np.testing.assert_array_equal(window, expected[tuple(key)])
            iterator.reset()
        assert seen == {(index, epoch): 1 for index in range(len(manifest))}


def test_an_iterator_of_classification(manifest):
    num = len(manifest)

    @pipeline_def(batch_size=4, num_threads=2, device_id=None)
    def define():
        encoded, index = fn.readers.file(
            files=manifest.files, labels=list(range(num)), pad_last_batch=True, name="reader"
        )
        keys = gfn.keys(index, epoch=gfn.count_epochs(num))
        images = fn.decoders.image(encoded, output_type=types.GRAY)
        maps = gfn.saliency(keys, "centre")
        return gfn.gaze_views(images, maps, keys, policy=POLICY)[0][0], index

    batches = DALIClassificationIterator(
        define(), reader_name="reader", last_batch_policy=LastBatchPolicy.PARTIAL, auto_reset=True
    )
    epochs = [
        [(batch["data"].clone(), batch["label"].flatten().tolist()) for (batch,) in batches]
        for _ in range(2)
    ]
    for epoch in epochs:
        assert [label for _, labels in epoch for label in labels] == list(range(num))
        assert [tuple(views.shape) for views, _ in epoch] == [(n, 2, 1, 32, 32) for n in (4, 4, 3)]
    # Another epoch, other views.
    assert not torch.equal(epochs[0][0][0], epochs[1][0][0])


def test_a_checkpoint_goes_on_with_the_same_views(manifest):
    pipeline = build(manifest, enable_checkpointing=True)
    for _ in range(2):
        pipeline.run()
    state = pipeline.checkpoint()
    others = build(manifest, enable_checkpointing=True, checkpoint=state)
    epochs = []
    for _ in range(4):
        mine, restored = (unpack(one.run(), 2) for one in (pipeline, others))
        epochs += mine.keys[:, 1].tolist()
        for name in ("keys", "windows", "retained"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(restored, name))
        for view, other in zip(mine.views, restored.views, strict=True):
            np.testing.assert_array_equal(view, other)
    assert epochs == [0] * 4 + [1] * 12


def test_a_batch_of_several_epochs(manifest):
    """Keys decide, not batches: epochs may lie side by side."""
    loader = GCALoader(
        manifest, POLICY, saliency="centre", batch_size=11, shuffle=False, device="cpu"
    )
    files = [np.fromfile(file, np.uint8) for file in manifest.files]

    @pipeline_def(batch_size=22, num_threads=2, device_id=None)
    def define():
        encoded, keys = fn.external_source(lambda: (files * 2, rows), num_outputs=2, batch=True)
        images = fn.decoders.image(encoded, output_type=types.GRAY)
        maps = gfn.saliency(keys, "centre")
        views, windows = gfn.gaze_views(images, maps, keys, policy=POLICY)
        return (*views, *windows[:6], keys)

    rows = np.array([(index, epoch) for epoch in (0, 1) for index in range(11)], np.int64)
    pipeline = define()
    pipeline.build()
    found = unpack(pipeline.run(), 2)
    for epoch in (0, 1):
        part = slice(11 * epoch, 11 * epoch + 11)
        others = [found.windows, found.turns, found.retained, found.grown, found.focus, found.keys]
        views = [group[part] for group in found.views]
        (batch,) = loader
        assert_same(Found(views, *(one[part] for one in others)), batch)


def test_memory_is_flat():
    policy = ViewPolicy.gca(size=16)
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 1), np.uint8)

    @pipeline_def(batch_size=2, num_threads=1, device_id=None)
    def define():
        images = fn.external_source(lambda: [image] * 2, batch=True, layout="HWC")
        index = fn.external_source(lambda: np.arange(2), batch=True)
        keys = gfn.keys(index, epoch=gfn.count_epochs(2))
        views, windows = gfn.gaze_views(images, gfn.saliency(keys, "centre"), keys, policy=policy)
        return (*views, *windows, keys)

    def resident() -> float:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20

    pipeline = define()
    pipeline.build()
    for _ in range(50):
        pipeline.run()
    before = resident()
    for _ in range(500):
        pipeline.run()
    # A batch of images, maps, integrals and views is 0.05 MiB: kept they would be 25.
    assert resident() - before < 6
