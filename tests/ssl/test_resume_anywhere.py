"""Training from the real loader, stopped at ten random batches: the rest is equal to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gca_dali.data.manifest import Manifest
from gca_dali.loader import GCALoader
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.steps.batch import ViewBatch

NUM_EPOCHS = 3
BATCH_SIZE = 4
NUM_BATCHES = 10  # of an epoch of forty images


def _loader(manifest: Manifest) -> GCALoader:
    policy = ViewPolicy.gca(size=32)
    return GCALoader(manifest, policy, "centre", batch_size=BATCH_SIZE, seed=3, num_threads=1)


def _rest(loader: GCALoader, epoch: int) -> list[ViewBatch]:
    batches = []
    for number in range(epoch, NUM_EPOCHS):
        loader.set_epoch(number)
        batches += list(loader)
    return batches


@pytest.fixture(scope="module")
def whole(phantom_manifest: Manifest) -> tuple[list[ViewBatch], list[dict]]:
    """Every batch of three epochs, and the state after it."""
    loader = _loader(phantom_manifest)
    batches, states = [], []
    for epoch in range(NUM_EPOCHS):
        loader.set_epoch(epoch)
        for batch in loader:
            batches.append(batch)
            states.append(loader.state_dict())
    assert len(batches) == NUM_EPOCHS * NUM_BATCHES
    return batches, states


@pytest.mark.parametrize(
    "stop",
    np.random.default_rng(0).choice(NUM_EPOCHS * NUM_BATCHES - 1, 10, replace=False).tolist(),
)
def test_the_rest_is_equal_to_the_bit(stop: int, whole, phantom_manifest: Manifest) -> None:
    batches, states = whole
    loader = _loader(phantom_manifest)
    loader.load_state_dict(states[stop])
    rest = _rest(loader, states[stop]["epoch"])
    for one, other in zip(batches[stop + 1 :], rest, strict=True):
        assert torch.equal(one.index, other.index)
        assert torch.equal(one.windows, other.windows)
        assert all(torch.equal(a, b) for a, b in zip(one.views, other.views, strict=True))
