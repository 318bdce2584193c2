"""MoCo's queue is short enough that few images meet a key of their own in it."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from gca_dali.ssl.config import PretrainConfig
from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.run import PretrainRun
from pretrain_loader import PatternLoader

NUM_EPOCHS = 20


def _share_of_own_keys(num_images: int, batch_size: int, queue_length: int) -> float:
    """Return the share of images that ask while the queue has a key of theirs."""
    queue: deque[int] = deque(maxlen=queue_length)
    found = []
    for epoch in range(NUM_EPOCHS):
        order = np.random.default_rng([0, epoch]).permutation(num_images)
        for batch in order.reshape(-1, batch_size):
            if epoch > 0:
                found.append(np.isin(batch, queue).mean())
            queue.extend(batch.tolist())
    return float(np.mean(found))


def _make_run(num_images: int, batch_size: int) -> PretrainRun:
    loader = PatternLoader(num_images=num_images, batch_size=batch_size)
    encoder = EncoderConfig("test_byobnet", view_size_px=32)
    return PretrainRun(loader, PretrainConfig("moco", encoder=encoder, device="cpu"))


def _num_keys(num_images: int, batch_size: int) -> int:
    return _make_run(num_images, batch_size).method.preset.num_negatives


def test_a_queue_holds_whole_batches_where_a_quarter_of_an_epoch_has_one() -> None:
    assert _num_keys(112, 16) == 16  # of 28
    assert _num_keys(48, 16) == 12


def test_three_in_a_hundred_images_meet_a_key_of_their_own() -> None:
    assert _num_keys(512, 16) == 128
    share = _share_of_own_keys(512, 16, 128)
    assert share == pytest.approx(1 / 32, abs=0.005)
    assert _share_of_own_keys(512, 16, 512) == pytest.approx(0.5, abs=0.05)


def test_a_queue_holds_one_key_at_least() -> None:
    run = _make_run(num_images=2, batch_size=2)
    run.train_on(next(iter(run.loader)))
    assert run.method.preset.num_negatives == 1
