"""Operators in a pipeline of the user's give what the loader gives, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.policy.view_policy import PRESETS
from operator_pipelines import assert_same, run_pipeline


def compare(loader: GCALoader, **how) -> int:
    num = 0
    for found, batch in zip(run_pipeline(loader, **how), loader, strict=True):
        assert_same(found, batch)
        num += 1
    return num


@pytest.fixture(scope="module")
def manifest(phantoms) -> Manifest:
    return Manifest.from_csv(phantoms / "labels.csv")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset(preset, manifest, phantoms):
    few = manifest.take(np.arange(9))
    policy = ViewPolicy.preset(preset, size=48)
    loader = GCALoader(
        few, policy, saliency=phantoms / "maps", batch_size=7, drop_last=False, seed=5, device="cpu"
    )
    assert compare(loader) == 2


@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("branches", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_batches_of_any_size_and_branches(batch_size, branches, apart, manifest, phantoms):
    policy = ViewPolicy.gca_dino(size=32)
    loader = GCALoader(
        manifest,
        policy,
        saliency=phantoms / "maps",
        batch_size=batch_size,
        drop_last=False,
        seed=2**64 - 1,
        device="cpu",
    )
    assert compare(loader, branches=branches, apart=apart) == -(-len(manifest) // batch_size)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("branches", [False, True])
def test_sixteen_bits(dtype, branches, deep_phantoms):
    manifest = Manifest.from_csv(deep_phantoms / "labels.csv")
    policy = ViewPolicy.gca_dino(size=32, dtype=dtype, channels=3)
    loader = GCALoader(manifest, policy, saliency="centre", batch_size=2, device="cpu")
    assert compare(loader, branches=branches) == 2
