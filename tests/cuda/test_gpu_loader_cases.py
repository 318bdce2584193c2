"""The loaders that the GPU's tests make can be made, and give batches: shown on the CPU."""

from __future__ import annotations

import pytest

from gca_dali import GCALoader, Manifest
from gpu_loaders import LOADERS, TOO_LARGE


@pytest.mark.parametrize(("policy", "options"), LOADERS.values(), ids=LOADERS)
def test_each_gives_a_batch(phantoms, policy, options):
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    options = {"batch_size": 4, "saliency": phantoms / "maps", "device": "cpu"} | options
    batch = next(iter(GCALoader(manifest, policy, **options)))
    assert len(batch.views) == policy.num_views and len(batch) == options["batch_size"]


def test_the_one_that_is_too_large_can_be_made(phantoms):
    policy, options = TOO_LARGE
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    options = options | {"saliency": phantoms / "maps", "device": "cpu"}
    assert len(GCALoader(manifest, policy, **options)) > 0
