"""Epoch orders: permutations, ranks, positions, replacements."""

from __future__ import annotations

import numpy as np
import pytest

from gca_dali.steps.order import Order, replacement


def all_batches(order: Order, epoch: int = 0, position: int = 0) -> list[np.ndarray]:
    return list(order.batches(epoch, position))


def test_an_epoch_is_a_permutation_and_each_epoch_another():
    order = Order(num_samples=1000, batch_size=10, seed=3)
    first, second = (np.concatenate(all_batches(order, epoch)) for epoch in (0, 1))
    assert np.array_equal(np.sort(first), np.arange(1000))
    assert np.array_equal(np.sort(second), np.arange(1000))
    assert (first != second).mean() > 0.98
    assert (first != np.concatenate(all_batches(Order(1000, 10, seed=4)))).mean() > 0.98


def test_positions_of_a_permutation_are_uniform():
    # 2,000 epochs of 8 samples: each sample in each place 250 times; chi-square of 64 cells with
    # 49 degrees of freedom stays below 85.4 (p = 0.001).
    counts = np.zeros((8, 8))
    order = Order(num_samples=8, batch_size=8, seed=1)
    for epoch in range(2000):
        counts[np.arange(8), next(order.batches(epoch))] += 1
    assert ((counts - 250) ** 2 / 250).sum() < 85.4


def test_without_shuffling_the_order_is_that_of_the_manifest():
    order = Order(num_samples=7, batch_size=3, shuffle=False, drop_last=False)
    assert [b.tolist() for b in all_batches(order)] == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_global_batches_do_not_depend_on_the_number_of_ranks(world_size):
    single = all_batches(Order(num_samples=101, batch_size=8, seed=5))
    ranks = [
        all_batches(Order(101, 8 // world_size, seed=5, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert len({len(batches) for batches in ranks}) == 1
    for number, expected in enumerate(single):
        together = np.sort(np.concatenate([batches[number] for batches in ranks]))
        assert np.array_equal(together, np.sort(expected))


def test_an_epoch_goes_on_with_another_number_of_ranks():
    whole = np.concatenate(all_batches(Order(96, 8, seed=5)))
    rest = [
        all_batches(Order(96, 4, seed=5, rank=rank, world_size=2), 0, position=32)
        for rank in (0, 1)
    ]
    assert len(rest[0]) == len(rest[1]) == 8
    assert sorted(np.concatenate([*rest[0], *rest[1]])) == sorted(whole[32:])


def test_the_last_batch_is_dropped_or_filled_to_the_world_size():
    assert Order(10, 4).num_batches() == 2
    kept = Order(10, 4, drop_last=False)
    assert [len(batch) for batch in all_batches(kept)] == [4, 4, 2]
    ranks = [all_batches(Order(9, 2, rank=r, world_size=2, drop_last=False)) for r in (0, 1)]
    assert [[len(batch) for batch in batches] for batches in ranks] == [[2, 2, 1], [2, 2, 1]]


def test_replacements_are_fixed_by_the_key_and_spread():
    drawn = [replacement(7, attempt, 100, seed=1) for attempt in range(200)]
    assert drawn == [replacement(7, attempt, 100, seed=1) for attempt in range(200)]
    assert min(drawn) >= 0 and max(drawn) < 100
    assert len(set(drawn)) > 70


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.0}, "batch_size must be an integer, got float"),
        ({"batch_size": 11}, r"batch_size times world_size must be at most the 10 samples, got 11"),
        ({"batch_size": 2, "rank": 2, "world_size": 2}, "rank must be below world_size 2, got 2"),
        ({"batch_size": 2, "seed": -1}, r"seed must be 0 to 2\*\*64 - 1, got -1"),
    ],
)
def test_impossible_orders_are_refused(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Order(num_samples=10, **options)
