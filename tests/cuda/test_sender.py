"""Small arrays on their way to the device: buffers that take turns, on CuPy of straw."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from gca_dali_kernels import resident
from gca_dali_kernels.resident import NUM_BUFFERS, Sender


class CountedEvent:
    """An event that belongs to the GPU that was current when it was made."""

    def __init__(self, current: list[int]) -> None:
        self.current, self.device = current, current[-1]

    def record(self) -> None:
        assert self.current[-1] == self.device, "cudaErrorInvalidResourceHandle"

    def synchronize(self) -> None:
        pass


@pytest.fixture
def current(straw, monkeypatch) -> list[int]:
    """The number of the current GPU."""
    now = [0]
    cupy = resident.import_cupy()
    runtime = SimpleNamespace(**vars(cupy.cuda.runtime) | {"getDevice": lambda: now[-1]})
    monkeypatch.setattr(cupy.cuda, "runtime", runtime)
    monkeypatch.setattr(cupy.cuda, "Event", lambda **_: CountedEvent(now))
    return now


def test_each_gpu_has_buffers_of_its_own(current):
    sender = Sender()
    for number in range(3 * NUM_BUFFERS):
        current[-1] = number % 2
        (found,) = sender.send((np.array([number]),))
        assert found.tolist() == [number]


def test_threads_may_share_one(current):
    sender, wrong = Sender(), []

    def send(first: int) -> None:
        for number in range(first, first + 300):
            sent = np.full(2000, number)
            (found,) = sender.send((sent,))
            if not np.array_equal(found, sent):
                wrong.append(number)

    threads = [threading.Thread(target=send, args=(1000 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
