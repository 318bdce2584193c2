"""States of a loader: an epoch goes on where it was, and another's state is refused."""

from __future__ import annotations

import errno

import numpy as np
import pytest
import torch

from gca_dali import ViewPolicy
from gca_dali.steps.deliver import deliver
from gca_dali_kernels.law import LAW_VERSION

SMALL = {"size": 48}


@pytest.mark.parametrize("taken", [1, 3, 6])
def test_a_resumed_epoch_goes_on_to_the_bit(make, taken):
    loader = make()
    iterator = iter(loader)
    for _ in range(taken):
        next(iterator)
    state = loader.state_dict()
    rest, following = list(iterator), list(loader)
    resumed = make()
    resumed.load_state_dict(state)
    for expected, mine in ((rest, list(resumed)), (following, list(resumed))):
        assert len(expected) == len(mine)
        for one, other in zip(expected, mine, strict=True):
            assert torch.equal(one.index, other.index)
            assert all(torch.equal(a, b) for a, b in zip(one.views, other.views, strict=True))


def test_a_batch_that_was_not_handed_out_is_not_lost(make, monkeypatch):
    """What follows decoding fails once: for good, and as a machine does that recovers."""
    expected = [batch.index.tolist() for batch in make()]
    whole, num_calls = deliver, []

    def fail_at_the_second(error: Exception) -> None:
        num_calls.clear()

        def once(*given):
            num_calls.append(given)
            if len(num_calls) == 2:
                raise error
            return whole(*given)

        monkeypatch.setattr("gca_dali.loader.deliver", once)

    loader, seen = make(), []
    fail_at_the_second(RuntimeError("no memory"))
    with pytest.raises(RuntimeError, match="no memory"):
        seen += [batch.index.tolist() for batch in loader]
    assert loader.state_dict()["position"] == loader.order.global_batch_size
    resumed = make()
    resumed.load_state_dict(loader.state_dict())
    assert expected[:1] + [batch.index.tolist() for batch in resumed] == expected

    monkeypatch.setattr("gca_dali.common.machine.PAUSES_SECONDS", (0.01,))
    fail_at_the_second(OSError(errno.EIO, "input/output error"))
    assert [batch.index.tolist() for batch in make()] == expected and len(num_calls) > 2


def test_an_epoch_is_resumed_with_another_number_of_ranks(make):
    single = make(batch_size=4)
    iterator = iter(single)
    _ = next(iterator), next(iterator)
    state = single.state_dict()
    rest = {index for batch in iterator for index in batch.index.tolist()}
    seen = set()
    for rank in (0, 1):
        loader = make(batch_size=2, rank=rank, world_size=2)
        loader.load_state_dict(state)
        seen |= {index for batch in loader for index in batch.index.tolist()}
    assert seen == rest


def test_a_state_of_other_data_or_seed_is_refused(make):
    state = make().state_dict()
    with pytest.raises(ValueError, match="seed must be that of the loader, 1, got 0"):
        make(seed=1).load_state_dict(state)
    with pytest.raises(ValueError, match="shuffle must be that of the loader, False, got True"):
        make(shuffle=False).load_state_dict(state)
    with pytest.raises(ValueError, match="manifest must be that of the loader"):
        make(rows=np.arange(8), saliency="centre").load_state_dict(state)


def test_a_state_of_another_policy_is_refused(make):
    state = make().state_dict()
    message = r"groups.0.crop.rho 0.9, got 0.8. Resume with the policy"
    with pytest.raises(ValueError, match=message):
        make(ViewPolicy.gca(rho=0.8, **SMALL)).load_state_dict(state)
    state["policy"] = state["policy"].replace(f'"law_version": {LAW_VERSION}', '"law_version": 1')
    message = f"policy must be of law_version {LAW_VERSION}, got 1: its laws draw other windows"
    with pytest.raises(ValueError, match=message):
        make().load_state_dict(state)


def test_a_state_of_other_maps_is_refused_where_the_policy_reads_them(make):
    state = make().state_dict()
    with pytest.raises(ValueError, match=r"saliency must be that of the loader, .* got .* Resume"):
        make(saliency="centre").load_state_dict(state)
    make(saliency=make().table).load_state_dict(state)
    blind = ViewPolicy.random(**SMALL)
    make(blind, saliency=None).load_state_dict(make(blind).state_dict())
