"""Ranks share an epoch: together they see the samples and windows that one process sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gca_dali.data.manifest import Manifest
from gca_dali.loader import GCALoader
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.ssl.processes import Processes

GLOBAL_BATCH = 8
NUM_BATCHES = 5

Seen = dict[int, tuple[torch.Tensor, torch.Tensor]]


def _loaders(manifest: Manifest, world_size: int) -> list[GCALoader]:
    return [
        GCALoader(
            manifest,
            ViewPolicy.gca(size=32),
            "centre",
            batch_size=GLOBAL_BATCH // world_size,
            device="cpu",
            seed=7,
            rank=rank,
            world_size=world_size,
            num_threads=1,
        )
        for rank in range(world_size)
    ]


def _see(loaders: list[GCALoader], num_batches: int) -> list[Seen]:
    """Return index → (windows, first view) of each global batch."""
    steps: list[Seen] = [{} for _ in range(num_batches)]
    for loader in loaders:
        for step, batch in zip(steps, loader, strict=False):
            for row, index in enumerate(batch.index.tolist()):
                assert index not in step
                step[index] = batch.windows[row], batch.views[0][row].clone()
    return steps


def _assert_same(some: list[Seen], others: list[Seen]) -> None:
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        assert sorted(one) == sorted(other)
        for index, (windows, view) in one.items():
            assert torch.equal(windows, other[index][0])
            assert torch.equal(view, other[index][1])


@pytest.fixture(scope="module")
def alone(phantom_manifest: Manifest) -> list[Seen]:
    return _see(_loaders(phantom_manifest, 1), NUM_BATCHES)


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_ranks_see_together_what_one_process_sees(
    world_size: int, phantom_manifest: Manifest, alone: list[Seen]
) -> None:
    steps = _see(_loaders(phantom_manifest, world_size), NUM_BATCHES)
    assert sum(len(step) for step in steps) == GLOBAL_BATCH * NUM_BATCHES
    _assert_same(alone, steps)


@pytest.mark.parametrize(("before", "after"), [(1, 4), (2, 1), (4, 2)])
def test_an_epoch_goes_on_with_another_rank_count(
    before: int, after: int, phantom_manifest: Manifest, alone: list[Seen]
) -> None:
    stop = int(np.random.default_rng(before).integers(1, NUM_BATCHES))
    first = _loaders(phantom_manifest, before)
    _see(first, stop)
    states = [loader.state_dict() for loader in first]
    assert all(state == states[0] for state in states)
    rest = _loaders(phantom_manifest, after)
    for loader in rest:
        loader.load_state_dict(states[0])
    _assert_same(alone[stop:], _see(rest, NUM_BATCHES - stop))


def test_processes_of_another_launcher_are_refused(monkeypatch):
    """Each of them would train the whole run into the same folder."""
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert Processes.from_environment() == Processes()
    monkeypatch.setenv("SLURM_PROCID", "3")
    with pytest.raises(RuntimeError, match="started by torchrun, got SLURM_PROCID=3"):
        Processes.from_environment()
    for name, value in {"TORCHELASTIC_RUN_ID": "a", "RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert Processes.from_environment() == Processes(1, 2, 1, 2)
