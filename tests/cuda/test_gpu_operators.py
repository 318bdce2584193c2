"""Operators, dynamic mode, predictors and stores on a GPU; skipped without one.

Phantoms are PNG files, which both decode to the bit: windows must be those of the loader on the
CPU, pixels within the tolerance of the kernels.
"""

from __future__ import annotations

import numpy as np
import nvidia.dali.experimental.dynamic as ndd
import nvidia.dali.fn as fn
import pytest
import torch
from nvidia.dali import pipeline_def, types

import gca_dali.dynamic as dynamic
import gca_dali.fn as gfn
from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.gaze.predicted import PredictedTable
from gca_dali.gaze.predictor import GazePredictor
from gca_dali.prepare.run import StoreOptions, prepare_store
from gpu_loaders import GCA
from operator_pipelines import Found, assert_same, run_pipeline

pytestmark = pytest.mark.gpu

DINO = ViewPolicy.gca_dino(size=64)
TOLERANCE = 2.0**-12
NUM = 6


@pytest.fixture(scope="module")
def manifest(phantoms) -> Manifest:
    return Manifest.from_csv(phantoms / "labels.csv")


def make_loader(manifest: Manifest, policy: ViewPolicy, **options) -> GCALoader:
    options = {"saliency": "centre", "batch_size": NUM, "device": "cpu"} | options
    return GCALoader(manifest, policy, **options)


def compare(loader: GCALoader, **how) -> int:
    num = 0
    for found, batch in zip(run_pipeline(loader, device="gpu", **how), loader, strict=True):
        assert_same(found, batch, TOLERANCE)
        num += 1
    return num


@pytest.mark.parametrize("branches", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_a_pipeline(manifest, phantoms, branches, apart):
    loader = make_loader(manifest, DINO, saliency=phantoms / "maps")
    assert compare(loader, branches=branches, apart=apart) == len(loader)


@pytest.mark.parametrize("branches", [False, True])
def test_a_pipeline_of_sixteen_bits(deep_phantoms, branches):
    manifest = Manifest.from_csv(deep_phantoms / "labels.csv")
    assert compare(make_loader(manifest, GCA, batch_size=2), branches=branches) == 2


def test_after_a_refusal_another_pipeline_runs(manifest, phantoms):
    """The stream that DALI lends to a callback outlives the callback's error."""

    @pipeline_def(batch_size=NUM, num_threads=1, device_id=0)
    def define():
        encoded, index = fn.readers.file(files=manifest.files[:NUM], labels=list(range(NUM)))
        keys = gfn.keys(index, epoch=0)
        images = fn.decoders.image(encoded, device="mixed", output_type=types.GRAY)
        maps = gfn.saliency(keys, "centre", device="gpu")
        wrong = fn.cast(images, dtype=types.INT16)
        return gfn.gaze_views(wrong, maps, keys, policy=GCA)[0]

    for _ in range(2):
        pipeline = define()
        pipeline.build()
        with pytest.raises(RuntimeError, match="must be"):
            pipeline.run()
        del pipeline
        torch.cuda.synchronize()
        assert compare(make_loader(manifest, GCA, saliency=phantoms / "maps"))


def test_dynamic_mode(manifest, phantoms):
    few = manifest.take(np.arange(NUM))
    options = {"saliency": phantoms / "maps", "shuffle": False}
    table = dynamic.open_table(phantoms / "maps", few)
    encoded = ndd.as_batch([np.fromfile(file, np.uint8) for file in few.files])
    images = ndd.decoders.image(encoded, device="gpu", output_type=types.GRAY)
    (batch,) = make_loader(few, DINO, **options)
    keys = dynamic.keys(np.arange(NUM), epoch=0)
    maps = dynamic.saliency(keys, table).gpu()
    views, windows = dynamic.gaze_views(images, maps, keys, policy=DINO)
    batches = (*views, windows.start, windows.size, *windows[2:6], keys)
    arrays = [np.stack([np.asarray(one.cpu()) for one in some.tensors]) for some in batches]
    edges = np.concatenate(arrays[2:4], axis=-1)
    assert_same(Found(arrays[:2], edges, *arrays[4:]), batch, TOLERANCE)


@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_predicted_maps_wait_for_their_images(manifest, where):
    """A predictor on either device sees whole images, behind slow work on the stream too."""
    tables = [
        PredictedTable.open(GazePredictor.load("knee", device=device), manifest, keep=False)
        for device in ("cpu", where)
    ]
    list(make_loader(manifest, GCA, saliency=tables[0], drop_last=False))
    loader = make_loader(manifest, GCA, saliency=tables[1], drop_last=False, device="cuda")
    torch.cuda._sleep(50_000_000)
    list(loader)
    apart = np.abs(tables[0].maps.astype(int) - tables[1].maps.astype(int))
    assert apart.max() <= 2 and apart.mean() < 0.1


def test_predicted_maps_in_a_pipeline(manifest):
    tables = [
        PredictedTable.open(GazePredictor.load("knee", device=device), manifest, keep=False)
        for device in ("cpu", "cuda")
    ]

    @pipeline_def(batch_size=NUM, num_threads=1, device_id=0)
    def define():
        encoded, index = fn.readers.file(files=manifest.files[:NUM], labels=list(range(NUM)))
        keys = gfn.keys(index, epoch=0)
        images = fn.decoders.image(encoded, device="mixed", output_type=types.GRAY)
        return gfn.predict_saliency(images, keys, tables[1])

    pipeline = define()
    pipeline.build()
    (maps,) = pipeline.run()
    found = np.stack([np.array(one) for one in maps.as_cpu()]).astype(int)
    expected = tables[0].take(np.arange(NUM), [manifest.read(i) for i in range(NUM)])
    assert np.abs(found - expected.astype(int)).max() <= 2


@pytest.mark.parametrize("encoding", ["raw8", "png16", "jpeg"])
def test_a_store(manifest, tmp_path, encoding):
    prepare_store(manifest, tmp_path / "store", StoreOptions(64, encoding))
    store = Manifest.open(tmp_path / "store")
    policy = ViewPolicy.gca(size=48)
    found = make_loader(store, policy, device="cuda")
    for mine, other in zip(found, make_loader(store, policy), strict=True):
        assert torch.equal(mine.windows.cpu(), other.windows)
        for view, expected in zip(mine.views, other.views, strict=True):
            # Decoders of JPEGs round their transform differently.
            atol = TOLERANCE if encoding != "jpeg" else 0.1
            torch.testing.assert_close(view.cpu(), expected, rtol=0, atol=atol)
