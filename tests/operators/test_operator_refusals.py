"""What operators refuse: one line each, which names the argument."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import nvidia.dali
import nvidia.dali.fn as fn
import pytest
from nvidia.dali import pipeline_def

import gca_dali.dynamic as dynamic
import gca_dali.fn as gfn
from gca_dali import GazePredictor, ViewPolicy

POLICY = ViewPolicy.gca(size=16)
IMAGE = np.zeros((20, 24, 1), np.uint8)
MAP = np.ones((8, 8), np.uint8)
KEY = np.array([0, 0], np.int64)


def feed(sample: Any) -> Any:
    """Return a node of two such samples; a node as it is."""
    if not isinstance(sample, np.ndarray):
        return sample
    return fn.external_source(lambda: [sample] * 2, batch=True)


def run(body: Callable[[], Any], device_id: int | None = None, **options: Any) -> None:
    """Define a pipeline; run it where there is no GPU in it."""

    @pipeline_def(batch_size=2, num_threads=1, device_id=device_id, **options)
    def define():
        return body()

    pipeline = define()
    if device_id is None:
        pipeline.build()
        pipeline.run()
    else:
        pipeline._build_graph()


def views(
    image: Any = IMAGE, saliency: Any = MAP, key: Any = KEY, policy: Any = POLICY, **options: Any
) -> Any:
    nodes = [feed(one) for one in (image, saliency, key)]
    return gfn.gaze_views(*nodes, policy=policy, **options)[0]


def windows(shape: Any) -> Any:
    return tuple(gfn.sample_windows(feed(MAP), feed(KEY), feed(shape), policy=POLICY))


def apart(**others: Any) -> Any:
    """Draw windows on the CPU, then render on the device of `others`."""
    drawn = gfn.sample_windows(feed(MAP), feed(KEY), feed(np.array([20, 24])), policy=POLICY)
    image, saliency = others.get("image", feed(IMAGE)), others.get("saliency", feed(MAP))
    return gfn.render_views(
        image,
        saliency,
        others.get("windows", drawn),
        feed(KEY),
        policy=others.get("policy", POLICY),
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            lambda: views(image=np.zeros((20, 24, 3), np.uint8)),
            r"images must be grey.*\[20, 24, 3\]",
        ),
        (lambda: views(image=np.zeros((1, 20, 24), np.uint8)), r"images must be grey.* HWC"),
        (
            lambda: views(image=np.zeros((20, 24, 1), np.int16)),
            "images must be uint8, .* got int16",
        ),
        (lambda: views(saliency=np.ones((8, 8), np.float32)), "saliency must be uint8 .* float32"),
        (lambda: views(saliency=np.ones((8, 8, 1), np.uint8)), r"saliency must be .*\[8, 8, 1\]"),
        (lambda: views(saliency=np.ones((300, 8), np.uint8)), r"saliency must .* 256 .*\[300, 8\]"),
        (lambda: views(key=np.array([0, 0], np.int32)), r"keys must be int64 \[2\] .*int32"),
        (lambda: views(key=np.array([0], np.int64)), r"keys must be int64 \[2\] .*\[1\]"),
        (lambda: views(key=np.array([-1, 0])), r"keys must be an index of 0 .*\[-1, 0\]"),
        (lambda: views(key=np.array([0, 2**32])), r"keys must be .* epoch .*\[0, 4294967296\]"),
        (lambda: views(seed=2**64), "seed must be an integer from 0 to 18446744073709551615"),
        (lambda: views(seed=-1), "seed must be an integer from 0 .*, got -1"),
        (lambda: views(seed=0.5), r"seed must be an integer from 0 .*, got 0\.5"),
        (lambda: views(policy="gca"), "policy must be a ViewPolicy, got str"),
        (lambda: views(policy=POLICY.replace(dtype="bfloat16")), "policy.dtype must be one of"),
        (lambda: views(ranges=feed(np.array([5, 5], np.float32))), r"ranges must be \[2\], black"),
        (lambda: views(image=[feed(IMAGE)] * 2), "images must be one DataNode, got list"),
        (lambda: windows(np.array([20])), r"shapes must be \[H, W\] .*\[20\]"),
        (lambda: windows(np.array([0, 24, 1])), r"shapes must be .*\[0, 24, 1\]"),
        (lambda: windows(np.array([70000, 24])), "shapes must be .* 65535 px"),
        (lambda: apart(windows=feed(KEY)), "windows must be what sample_windows returns"),
        (lambda: apart(policy=ViewPolicy.dino(size=16)), "windows must be of 10 views, got 2"),
        (lambda: gfn.keys(feed(KEY), epoch=0), r"index must be one integer .*\[2\]"),
        (lambda: gfn.keys(feed(KEY[:1]), epoch=-1), "epoch must be an integer from 0 .* -1"),
        (lambda: gfn.keys(feed(KEY[:1]), epoch=None), "epoch must be one DataNode, got NoneType"),
        (lambda: gfn.count_epochs(0), "num_samples must be at least 1, got 0"),
        (lambda: gfn.saliency(feed(np.array([3, 0])), np.ones((3, 8, 8))), "keys .* 0 to 2, got 3"),
        (lambda: gfn.saliency(feed(KEY), "maps"), "manifest must be given .* of maps"),
        (lambda: gfn.saliency(feed(KEY), None), "source must be a table, .* got NoneType"),
        (lambda: gfn.saliency(feed(KEY), "knee"), "source must be .* predict_saliency asks"),
        (lambda: gfn.saliency(feed(KEY), "centre", device="mixed"), "device must be one of"),
        (
            lambda: gfn.predict_saliency(feed(IMAGE), feed(KEY), "centre"),
            "predictor must be a Gaze",
        ),
        (lambda: gfn.predict_saliency(feed(IMAGE), feed(KEY), "knee"), "manifest must be given"),
    ],
)
def test_one_line_names_the_argument(body, message):
    with pytest.raises((TypeError, ValueError, RuntimeError)) as caught:
        run(body)
    # DALI adds the line of the definition, indented.
    lines = [line for line in str(caught.value).splitlines() if re.match(r"\S.* must ", line)]
    assert len(lines) == 1
    assert re.search(message, lines[0]), lines[0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            lambda: views(image=feed(IMAGE).gpu()),
            "saliency must be on the gpu of the images, got cpu",
        ),
        (lambda: views(saliency=feed(MAP).gpu()), "saliency must be on the cpu of the images"),
        (lambda: views(key=feed(KEY).gpu()), "keys must be on the cpu, got gpu"),
        (
            lambda: apart(image=feed(IMAGE).gpu(), saliency=feed(MAP).gpu()),
            r"windows must be on the gpu of the images, got cpu. Use windows.gpu\(\)",
        ),
        (lambda: windows(feed(np.array([20, 24])).gpu()), "shapes must be on the cpu, got gpu"),
    ],
)
def test_devices_that_do_not_fit(body, message):
    with pytest.raises(ValueError, match=message):
        run(body, device_id=0)


def test_a_pipeline_must_be_there_and_dynamic(monkeypatch):
    with pytest.raises(RuntimeError, match=r"exec_dynamic must be True .*, got False\. Leave"):
        run(views, exec_dynamic=False)
    with pytest.raises(RuntimeError, match="operators must be called in the definition"):
        gfn.count_epochs(3)
    monkeypatch.setattr(nvidia.dali, "__version__", "1.50.0")
    with pytest.raises(RuntimeError, match=r"DALI must be 2\.0 or newer, got 1\.50\.0\. Install"):
        run(views)


def test_batches_of_dynamic_mode_must_fit():
    keys = dynamic.keys([np.array(0), np.array(1)], epoch=0)
    table = dynamic.open_table("centre", None)
    maps = dynamic.saliency(keys, table)
    with pytest.raises(ValueError, match="saliency must have the batch size of images, 1, got 2"):
        dynamic.gaze_views([IMAGE], maps, keys, policy=POLICY)
    with pytest.raises(ValueError, match="keys must have the batch size of saliency, 2, got 3"):
        dynamic.sample_windows(maps, [KEY] * 3, [(20, 24)] * 2, policy=POLICY)
    with pytest.raises(ValueError, match="epoch must have the batch size of index, 2, got 1"):
        dynamic.keys([np.array(0), np.array(1)], epoch=[np.array(0)])
    with pytest.raises(TypeError, match=r"table must be a SaliencyTable, got str\. open_table"):
        dynamic.saliency(keys, "centre")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"table must be a PredictedTable, .* open_predicted"):
        dynamic.predict_saliency([IMAGE] * 2, keys, table)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="number must be one of tau, rho, flip, got 'size'"):
        dynamic.sample_windows(maps, keys, [(20, 24)] * 2, policy=POLICY, size=3)  # type: ignore


def test_a_predictor_needs_its_manifest():
    with pytest.raises(ValueError, match="manifest must be given to keep what is predicted"):
        dynamic.open_predicted(GazePredictor.load("knee", device="cpu"), None)
