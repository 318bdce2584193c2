"""A loader on cuda:1 while torch's current GPU is cuda:0: DALI and the kernels run on the second.

DALI takes the address of a stream for one of the current GPU, and every GPU's default stream has
the same address.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.gaze.predictor import choose_device
from gca_dali.pipeline import build_pipeline
from gca_dali.runners.resident import ResidentPipeline

SECOND = "cuda:1"


@pytest.fixture
def current(monkeypatch) -> list[str]:
    """The stack of current GPUs, the first at the bottom."""
    stack = ["cuda:0"]

    @contextmanager
    def enter(device) -> Iterator[None]:
        stack.append(str(device))
        try:
            yield
        finally:
            stack.pop()

    class Default:
        """A default stream: it has no address and belongs to a GPU."""

        cuda_stream = 0

        def synchronize(self) -> None:
            assert stack[-1] == SECOND

    monkeypatch.setattr(torch.cuda, "device", enter)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Default())
    monkeypatch.setattr(torch.cuda, "current_device", lambda: int(stack[-1][-1]))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return stack


class Watched:
    """A pipeline of the CPU that is only run where the second GPU is current."""

    def __init__(self, stack: list[str], pipeline) -> None:
        self.stack, self.pipeline = stack, pipeline
        self.num_runs = 0

    def run(self, stream):
        assert (self.stack[-1], stream.cuda_stream) == (SECOND, 0)
        self.num_runs += 1
        return self.pipeline.run()

    def reset(self) -> None:
        self.pipeline.reset()


def make_loader(phantoms, **options) -> GCALoader:
    manifest = Manifest.from_csv(phantoms / "labels.csv").take(np.arange(6))
    return GCALoader(manifest, ViewPolicy.random(), batch_size=2, device="cpu", **options)


def build_watched(stack: list[str], built: list[Watched]):
    """Return a `build_pipeline` for the CPU, which notes where it was called."""

    def build(*given, device, **options):
        assert (stack[-1], device) == (SECOND, SECOND)
        built.append(Watched(stack, build_pipeline(*given, device="cpu", **options)))
        return built[-1]

    return build


def test_the_pipeline_is_built_and_run_on_the_second(phantoms, current, monkeypatch):
    loader, built = make_loader(phantoms), []
    loader.device = SECOND
    monkeypatch.setattr("gca_dali.loader.build_pipeline", build_watched(current, built))
    default = torch.cuda.current_stream(SECOND)
    vars(loader)["_cuda"] = Views(default)
    assert len(list(loader)) == 3
    assert built[0].num_runs == 4  # the last finds the end
    assert current == ["cuda:0"]


class Views:
    """The steps after decoding."""

    def __init__(self, default) -> None:
        self.default = default

    def stream(self):
        return self.default

    def __call__(self, outputs):
        return outputs


def test_a_resident_set_is_filled_on_the_second(phantoms, current, monkeypatch):
    loader, built = make_loader(phantoms, resident=True), []
    loader.device = SECOND
    monkeypatch.setattr("gca_dali.runners.resident.build_pipeline", build_watched(current, built))
    resident = loader._pipeline
    assert isinstance(resident, ResidentPipeline)
    images = resident.images
    assert [tuple(image.shape) for image in images] == [(96, 96)] * 6
    assert built[0].num_runs == 1
    assert current == ["cuda:0"]


def test_a_predictor_stays_on_the_gpu_that_was_current(current):
    """Its weights are there; "cuda" alone would mean another one inside the loader."""
    with torch.cuda.device(SECOND):
        assert str(choose_device("auto")) == str(choose_device("cuda")) == SECOND
    assert str(choose_device("cuda:0")) == "cuda:0"
