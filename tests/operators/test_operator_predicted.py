"""Predicted maps and dynamic mode: what the loader gives, to the bit."""

from __future__ import annotations

import numpy as np
import nvidia.dali.experimental.dynamic as ndd
import nvidia.dali.fn as fn
import pytest
from nvidia.dali import pipeline_def, types

import gca_dali.dynamic as dynamic
import gca_dali.fn as gfn
from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.gaze.predicted import PredictedTable
from operator_pipelines import Found, assert_same

POLICY = ViewPolicy.gca(size=32)
NUM = 6


class Brightness:
    """A predictor whose map says how bright the corner of the image is."""

    fingerprint = "a" * 64

    def __init__(self) -> None:
        self.num_seen = 0

    def make_maps(self, images) -> np.ndarray:
        self.num_seen += len(images)
        maps = np.zeros((len(images), 64, 64), np.uint8)
        for b, image in enumerate(images):
            assert image.shape == (96, 96)
            maps[b, image[0, 0] % 64, 10:20] = 255
        return maps


@pytest.fixture
def manifest(phantoms) -> Manifest:
    return Manifest.from_csv(phantoms / "labels.csv").take(np.arange(NUM))


def test_an_image_is_predicted_once(manifest):
    tables = [PredictedTable.open(Brightness(), manifest, keep=False) for _ in range(2)]
    loader = GCALoader(
        manifest, POLICY, saliency=tables[0], batch_size=NUM, shuffle=False, device="cpu"
    )

    @pipeline_def(batch_size=NUM, num_threads=1, device_id=None)
    def define():
        encoded, index = fn.readers.file(files=manifest.files, labels=list(range(NUM)), name="r")
        keys = gfn.keys(index, epoch=gfn.count_epochs(NUM))
        images = fn.decoders.image(encoded, output_type=types.GRAY)
        maps = gfn.predict_saliency(images, keys, tables[1])
        return (gfn.gaze_views(images, maps, keys, policy=POLICY)[1].start, maps)

    pipeline = define()
    pipeline.build()
    for _ in range(3):
        (batch,) = loader
        start, maps = pipeline.run()
        assert maps.layout() == "HW"
        np.testing.assert_array_equal(start.as_array(), batch.windows[..., :2].numpy())
    assert tables[1].predictor.num_seen == NUM  # type: ignore[attr-defined]


@pytest.mark.parametrize("apart", [False, True])
def test_dynamic_mode(manifest, phantoms, apart):
    policy = ViewPolicy.gca_dino(size=32)
    loader = GCALoader(
        manifest, policy, saliency=phantoms / "maps", batch_size=NUM, shuffle=False, device="cpu"
    )
    table = dynamic.open_table(phantoms / "maps", manifest)
    encoded = ndd.as_batch([np.fromfile(file, np.uint8) for file in manifest.files])
    images = ndd.decoders.image(encoded, output_type=types.GRAY)
    for epoch in range(2):
        (batch,) = loader
        keys = dynamic.keys(np.arange(NUM), epoch=epoch)
        maps = dynamic.saliency(keys, table)
        if apart:
            windows = dynamic.sample_windows(maps, keys, images.shape, policy=policy)
            views = dynamic.render_views(images, maps, windows, keys, policy=policy)
        else:
            views, windows = dynamic.gaze_views(images, maps, keys, policy=policy)
        assert [view.layout for view in views] == ["FCHW", "FCHW"]
        batches = (*views, windows.start, windows.size, *windows[2:6], keys)
        arrays = [np.stack([np.asarray(one) for one in some.tensors]) for some in batches]
        edges = np.concatenate(arrays[2:4], axis=-1)
        assert_same(Found(arrays[:2], edges, *arrays[4:]), batch)


def test_operators_of_dynamic_mode_go_on(manifest):
    """Windows of one view cut an image and its mask alike."""
    keys = dynamic.keys(np.arange(2), epoch=0)
    maps = dynamic.saliency(keys, dynamic.open_table("centre"))
    image = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60, 1)
    images = ndd.as_batch([image, image], layout="HWC")
    windows = dynamic.sample_windows(maps, keys, images.shape, policy=POLICY, flip=[0.0, 1.0])
    edges = [ndd.as_batch([np.asarray(t)[0] for t in field.tensors]) for field in windows[:2]]
    cut = ndd.slice(images, *edges, axes=[0, 1], normalized_anchor=False, normalized_shape=False)
    for shape, size in zip(cut.shape, edges[1].tensors, strict=True):
        assert np.abs(np.array(shape[:2]) - np.asarray(size)).max() <= 1
    assert [np.asarray(turn)[:, 1].tolist() for turn in windows.turns.tensors] == [[0, 0], [1, 1]]
