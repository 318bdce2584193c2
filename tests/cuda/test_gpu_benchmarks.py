"""What the benchmarks on a GPU time, on the CPU: not the decode, not the compiler."""

from __future__ import annotations

import time

import torch

from benchmarks.device import resident
from gca_dali.report.bench import finisher, take


class SlowAtFirst:
    """A loader that decodes its set in the first epoch."""

    def __init__(self) -> None:
        self.num_epochs = 0

    def __iter__(self):
        self.num_epochs += 1
        if self.num_epochs == 1:
            time.sleep(0.5)
        for _ in range(10):
            time.sleep(0.001)
            yield range(4)


def test_a_resident_set_is_decoded_before_the_first_round(monkeypatch):
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(resident, "SECONDS", 0.05)
    rates = resident.measure_pairs(SlowAtFirst())  # type: ignore[arg-type]
    assert len(rates) == resident.ROUNDS
    assert rates[0] > max(rates) / 4


def test_batches_that_the_gpu_still_works_on_are_not_finished(monkeypatch):
    """A loader on a GPU hands out batches before they are made; the rate waits for them."""
    waited = []

    def synchronize(device: str) -> None:
        waited.append(device)
        time.sleep(0.1)

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    rate = take(iter([8, 8]), 2, 0.0, finisher("cuda:1"))
    assert waited == ["cuda:1"] * 2
    assert rate < 16 / 0.1
    assert take(iter([8, 8]), 2, 0.0, finisher("cpu")) > 16 / 0.1
    assert len(waited) == 2
