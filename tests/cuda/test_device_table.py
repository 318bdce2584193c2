"""The table on the device: maps go there by the sender; streams that take turns see them all."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gca_dali.gaze.table import SaliencyTable
from gca_dali.operators.tables import open_table
from gca_dali.runners.device_table import DeviceTable
from gca_dali_kernels.resident import Sender
from straw_loader import STREAM

NUM_MAPS = 5
ON_STRAW = torch.device("cpu")


def make_table() -> SaliencyTable:
    maps = np.arange(NUM_MAPS * 12, dtype=np.uint8).reshape(NUM_MAPS, 3, 4)
    return SaliencyTable(maps, np.arange(NUM_MAPS)[::-1].copy())


def test_maps_go_by_the_sender_and_no_image_is_exported(straw, monkeypatch):
    """The images are no tensors, and `Tensor.to` would copy from pageable memory."""
    table = make_table()
    there = DeviceTable(table, ON_STRAW, Sender())
    monkeypatch.setattr(torch.Tensor, "to", None)
    monkeypatch.setattr(torch.Tensor, "cuda", None)
    index = np.array([4, 0, 4, 2])
    rows = there.rows(index, [object()] * 4, STREAM)
    assert rows.tolist() == [0, 4, 0, 2]
    np.testing.assert_array_equal(there.maps.numpy()[rows], table.take(index))
    assert there.sent.tolist() == [True, False, True, False, True]


class Clocks:
    """Streams, each with the fills that are done before what it is given next."""

    def __init__(self) -> None:
        self.seen: dict[str, set[str]] = defaultdict(set)
        self.current = "first"

    def send(self, arrays, stream):
        self.seen[self.current].add(f"fill on {self.current}")
        return tuple(torch.from_numpy(array) for array in arrays)


class ClockEvent:
    """An event that carries what its stream has seen."""

    def __init__(self, clocks: Clocks, **options) -> None:
        self.clocks, self.carried = clocks, set()

    def record(self) -> None:
        self.carried = set(self.clocks.seen[self.clocks.current])

    def wait(self) -> None:
        self.clocks.seen[self.clocks.current] |= self.carried


def test_a_stream_sees_the_fills_of_all_others(monkeypatch):
    clocks = Clocks()
    monkeypatch.setattr(torch.cuda, "Event", lambda **options: ClockEvent(clocks, **options))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=STREAM))
    clocks.seen["first"].add("what the memory was used for before")
    there = DeviceTable(make_table(), ON_STRAW, clocks)  # type: ignore[arg-type]
    for stream, index in (("second", [0, 1]), ("third", [2, 3])):
        clocks.current = stream
        there.rows(np.array(index), [object()] * 2, STREAM)
    clocks.current = "fourth"
    there.rows(np.array([0, 3]), [object()] * 2, STREAM)
    assert clocks.seen["fourth"] == {
        "what the memory was used for before",
        "fill on second",
        "fill on third",
    }
    assert "what the memory was used for before" in clocks.seen["second"]


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int64])
def test_rows_reach_the_kernel_as_int64(dtype, straw):
    maps = np.arange(48, dtype=np.uint8).reshape(4, 3, 4)
    table = SaliencyTable(maps, np.array([3, 1, 2], dtype))
    rows = DeviceTable(table, ON_STRAW, Sender()).rows(np.arange(3), [object()] * 3, STREAM)
    assert rows.dtype == np.int64 and rows.tolist() == [3, 1, 2]


def test_one_map_serves_all_samples(straw):
    there = DeviceTable(open_table("centre"), ON_STRAW, Sender())
    assert there.rows(np.array([5, 0]), [object()] * 2, STREAM).tolist() == [0, 0]
    np.testing.assert_array_equal(there.maps.numpy()[0], there.table.maps[0])


def test_a_table_begun_for_inference_is_filled_in_training(straw):
    table = make_table()
    with torch.inference_mode():
        there = DeviceTable(table, ON_STRAW, Sender())
        there.rows(np.array([0]), [object()], STREAM)
    rows = there.rows(np.array([1]), [object()], STREAM)
    np.testing.assert_array_equal(there.maps.numpy()[rows], table.take(np.array([1])))
