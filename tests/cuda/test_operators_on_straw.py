"""The graph of operators for a GPU is built, and its callbacks run on a GPU of straw."""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import nvidia.dali.fn as fn
import pytest
from nvidia.dali import pipeline_def, types

import gca_dali.fn as gfn
from gca_dali import ViewPolicy
from gca_dali.gaze.table import centre_map
from gca_dali.operators import graph
from gca_dali.operators.cuda_kernels import CudaKernels
from gca_dali.operators.kernels import CpuKernels
from gca_dali.operators.relay import Relay
from gca_dali.operators.views import GazeViews, RenderViews
from gca_dali.operators.windows import SampleWindows, Windows
from straw_gpu import StrawArray

NUM = 3
# Windows are hardly larger than views: the CPU would halve them first and round otherwise.
POLICY = ViewPolicy.gca_dino(size=56)
TOLERANCE = {"float32": 2.0**-15, "float16": 2.0**-8}
KERNELS = ["integrate_maps", "sample_windows", "sample_cutouts", "render_views", "render_views"]


@dataclass
class Called:
    """A Python operator of a graph."""

    function: Any
    device: str
    num_inputs: int


@pytest.fixture
def called(monkeypatch) -> list[Called]:
    """The Python operators that a graph is given."""
    module = sys.modules["nvidia.dali.ops._operators.python_function"]
    monkeypatch.setattr(module, "cupy", None)  # what DALI imports of straw goes with the test
    add, found = fn.python_function, []

    def note(*inputs: Any, function: Any, device: str = "cpu", **named: Any) -> Any:
        found.append(Called(function, device, len(inputs)))
        return add(*inputs, function=function, device=device, **named)

    monkeypatch.setattr(fn, "python_function", note)
    return found


def build_graph(policy: ViewPolicy) -> Any:
    """Return the graph of a pipeline on a GPU that decodes, draws and renders there."""

    @pipeline_def(batch_size=NUM, num_threads=1, device_id=0)
    def define():
        encoded, index = fn.readers.file(files=["a.jpg"] * NUM, labels=list(range(NUM)))
        keys = gfn.keys(index, epoch=gfn.count_epochs(NUM))
        images = fn.decoders.image(encoded, device="mixed", output_type=types.GRAY)
        maps = gfn.saliency(keys, "centre", device="gpu")
        views, windows = gfn.gaze_views(images, maps, keys, policy=policy, seed=7)
        return (*views, *windows, keys)

    pipeline = define()
    pipeline._build_graph()
    return pipeline


def make_inputs(dtype: type) -> tuple[list[Any], list[Any], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    greatest = 255 if dtype == np.uint8 else 9000
    sizes = [(40, 61), (50, 37), (64, 64)]
    images = [rng.integers(0, greatest, (*size, 1), dtype) for size in sizes]
    maps = [(centre_map() * 255 * (b + 1) / NUM).astype(np.uint8) for b in range(NUM)]
    keys = [np.array([b, b // 2], np.int64) for b in range(NUM)]  # epochs 0, 0 and 1
    return images, maps, keys


def on_straw(arrays: list[np.ndarray]) -> list[StrawArray]:
    return [array.view(StrawArray) for array in arrays]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("deep", [False, True])
def test_callbacks_give_what_the_cpu_gives(straw, called, dtype, deep):
    policy = POLICY.replace(dtype=dtype, channels=3)
    graph = build_graph(policy)
    assert [output.device for output in graph._graph_out] == ["gpu"] * 11 + ["cpu"]
    assert [(one.device, one.num_inputs) for one in called] == [
        ("cpu", 2),  # keys
        ("cpu", 1),  # saliency
        ("cpu", 1),  # keys, for the callback on the GPU
        ("gpu", 3),  # images, maps and the token
    ]
    images, maps, keys = make_inputs(np.uint16 if deep else np.uint8)
    token = called[2].function(keys)
    found = called[3].function(on_straw(images), on_straw(maps), token)
    assert straw.launched == KERNELS[:3] * 2 + KERNELS[3:] * 2

    kernels = CpuKernels(1)
    both = GazeViews(SampleWindows(policy, 7, kernels), RenderViews(policy, 7, kernels))
    expected = both(images, maps, keys)
    for mine, other in zip(found[2:], expected[2:], strict=True):
        for a, b in zip(mine, other, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    for mine, other in zip(found[:2], expected[:2], strict=True):
        for a, b in zip(mine, other, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape) and a.shape[1] == 3
            np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE[dtype])


def test_numbers_and_ranges_come_by_the_host(straw):
    policy = ViewPolicy.gca_relative(size=56)
    images, maps, keys = make_inputs(np.uint8)
    rho = [np.array(value, np.float32) for value in (0.0, 1.0, 0.5)]
    wanted = [np.array([0, 90], np.float32)] * NUM
    results = []
    for kernels, place in ((CudaKernels(), on_straw), (CpuKernels(1), list)):
        sample = SampleWindows(policy, 7, kernels, ("rho",))
        both = GazeViews(sample, RenderViews(policy, 7, kernels))
        relay = Relay(both)
        token = relay.put(keys, rho, wanted)
        results.append(relay(place(images), place(maps), token))
    found, expected = results
    for mine, other in zip(found[1:], expected[1:], strict=True):
        for a, b in zip(mine, other, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(np.stack(found[0]), np.stack(expected[0]), rtol=0, atol=2.0**-14)
    assert Windows(*expected[1:]).units[0].shape == (2, 4)


def test_dalis_stream_outlives_a_refusal(monkeypatch):
    """DALI lends its stream to a stream of CuPy's, which ends what it still holds."""
    destroyed: list[int] = []
    entered: list[LentStream] = []

    class LentStream:
        def __init__(self, null: bool) -> None:
            self.ptr = 0

        def __enter__(self) -> None:
            entered.append(self)

        def __exit__(self, *error: object) -> None:
            entered.clear()

        def __del__(self) -> None:
            destroyed.extend([self.ptr] if self.ptr else [])

    def refuse() -> None:
        raise ValueError("no image")

    cupy = SimpleNamespace(
        cuda=SimpleNamespace(Stream=LentStream, get_current_stream=lambda: entered[0])
    )
    module = sys.modules["nvidia.dali.ops._operators.python_function"]
    lend = module.PythonFunction._cupy_stream_wrapper
    monkeypatch.setattr(module, "cupy", cupy)
    monkeypatch.setattr(
        module.PythonFunction, "current_stream", lambda: SimpleNamespace(ptr=4660), raising=False
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    for function, expected in ((refuse, [4660]), (graph.keep_stream(refuse), [])):
        destroyed.clear()
        with suppress(ValueError):
            lend(function)
        gc.collect()
        assert destroyed == expected
