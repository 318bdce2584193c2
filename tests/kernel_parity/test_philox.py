"""Philox4x32-10 in its three Python forms against Random123's published answers."""

from __future__ import annotations

import numpy as np
import pytest

from called_parts import call
from gca_dali_kernels import philox
from gca_dali_kernels.cpu import philox as compiled
from kernel_inputs import PHILOX_KNOWN_ANSWERS

draw_compiled = call(compiled.draw)


@pytest.mark.parametrize(("counter", "key", "words"), PHILOX_KNOWN_ANSWERS)
def test_known_answers(counter, key, words):
    assert philox.philox4x32(counter, key) == words
    seed = key[0] | (key[1] << 32)
    counters = np.array([counter], np.uint32)
    assert tuple(philox.philox_array(counters, seed)[0]) == words
    number, index, epoch, purpose = counter
    assert philox.draw(seed, epoch, index, purpose, number) == words
    compiled_key = np.array([seed, epoch, index], np.uint64)
    assert draw_compiled(compiled_key, purpose, number) == words


def test_forms_agree_on_random_counters():
    rng = np.random.default_rng(0)
    counters = rng.integers(0, 2**32, (200, 4), dtype=np.uint32)
    seed = 0xFEDCBA9876543210
    words = philox.philox_array(counters, seed)
    for counter, expected in zip(counters.tolist(), words.tolist(), strict=True):
        number, index, epoch, purpose = counter
        assert list(philox.draw(seed, epoch, index, purpose, number)) == expected
        key = np.array([seed, epoch, index], np.uint64)
        assert list(draw_compiled(key, purpose, number)) == expected


def test_every_part_of_a_key_matters():
    base = {"seed": 1, "epoch": 2, "index": 3, "purpose": philox.purpose_of(philox.PLACE, 1)}
    changed = [
        base,
        {**base, "seed": 2},
        {**base, "seed": 1 + 2**32},
        {**base, "epoch": 3},
        {**base, "index": 4},
        {**base, "purpose": philox.purpose_of(philox.PLACE, 2)},
        {**base, "purpose": philox.purpose_of(philox.SIZE, 1)},
    ]
    drawn = {philox.draw(**parts, number=number) for parts in changed for number in (0, 1)}
    assert len(drawn) == 2 * len(changed)


def test_purpose_keeps_kinds_and_views_apart():
    kinds = (
        philox.ORDER,
        philox.SIZE,
        philox.PLACE,
        philox.SEARCH,
        philox.TURN,
        philox.CUTOUT,
        philox.APPEARANCE,
        philox.NOISE,
        philox.REPLACEMENT,
    )
    words = {philox.purpose_of(kind, view) for kind in kinds for view in range(300)}
    assert len(words) == 300 * len(kinds)
