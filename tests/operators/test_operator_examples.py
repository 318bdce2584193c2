"""The examples of operators run on a CPU."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def xrays(tmp_path_factory) -> Path:
    """Nine images with a bright spot that is where the mask is."""
    folder = tmp_path_factory.mktemp("xrays")
    (folder.parent / f"{folder.name}_masks").mkdir()
    rng = np.random.default_rng(0)
    for number in range(9):
        image = rng.integers(0, 120, (90, 120), np.uint8)
        mask = np.zeros_like(image)
        y, x = rng.integers(0, (60, 90))
        mask[y : y + 20, x : x + 20] = 255
        Image.fromarray(np.maximum(image, mask)).save(folder / f"{number}.png")
        Image.fromarray(mask).save(folder.parent / f"{folder.name}_masks" / f"{number}.png")
    return folder


def test_a_pipeline_of_the_user(xrays):
    losses = load("dali_pipeline").main(str(xrays), num_epochs=2, size=32, batch_size=4)
    assert len(losses) == 2 and np.isfinite(losses).all()


def test_dino(xrays):
    shapes = load("dali_dino").main(str(xrays), size=56, batch_size=4)
    assert shapes == [(4, 3, 56, 56)] * 2 + [(4, 3, 24, 24)] * 8


def test_regions(xrays):
    assert load("dali_regions").main(str(xrays), size=40, batch_size=9).shape == (9, 40, 40, 1)


def test_images_and_masks_are_cropped_alike(xrays):
    masks = xrays.parent / f"{xrays.name}_masks"
    images, marked, labels = load("dali_masks").main(str(xrays), str(masks), 64, batch_size=9)
    assert images.shape == marked.shape == (9, 64, 64, 1)
    assert labels.sum() > 0 and set(np.unique(marked)) <= {0, 255}
    # Of what is marked, all but the edges is as bright as only the spot is.
    for image, mask, label in zip(images[..., 0], marked[..., 0], labels, strict=True):
        assert label == (mask > 127).any()
        if (mask > 127).sum() > 200:
            assert (image[mask > 127] > 180).mean() > 0.8
            assert (image[mask <= 127] > 180).mean() < 0.1
