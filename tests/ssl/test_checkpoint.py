from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gca_dali.common import state
from gca_dali.common.state import read_state, write_state


def _assert_equal(first, second) -> None:
    assert type(first) is type(second)
    if isinstance(first, dict):
        assert list(first) == list(second)
        for key in first:
            _assert_equal(first[key], second[key])
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second)
        for a, b in zip(first, second, strict=True):
            _assert_equal(a, b)
    elif isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype and torch.equal(first, second)
    elif isinstance(first, np.ndarray):
        assert first.dtype == second.dtype
        np.testing.assert_array_equal(first, second)
    else:
        assert first == second


def test_nested_state_comes_back_equal_in_types_and_values(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    state = {
        "module": {"a.b": torch.ones(2, 3), "a": {"b": torch.zeros(2, dtype=torch.bfloat16)}},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}, 7: {}}, "betas": (0.9, 0.999)},
        "views": [shared[:3], shared[2:], shared.view(2, 3).T],
        "numbers": [1, 2.5, True, None, "text", float("inf")],
        "array": np.arange(5, dtype=np.uint16),
        "$sign": {"$tensor": "not one"},
        (1, "two"): 3,
        "empty": {"dict": {}, "list": [], "tuple": ()},
    }
    _assert_equal(read_state(write_state(tmp_path / "new" / "x.safetensors", state)), state)


def test_an_optimizer_goes_on_from_its_file(tmp_path: Path) -> None:
    def step(optimizer, weight):
        weight.grad = torch.ones_like(weight)
        optimizer.step()

    first, second = torch.zeros(3), torch.zeros(3)
    one = torch.optim.AdamW([first], lr=0.1)
    step(one, first)
    two = torch.optim.AdamW([second], lr=0.1)
    path = write_state(tmp_path / "x.safetensors", {"o": one.state_dict(), "w": first})
    state = read_state(path)
    two.load_state_dict(state["o"])
    second.copy_(state["w"])
    step(one, first)
    step(two, second)
    assert torch.equal(first, second)


def test_tensors_have_readable_names_for_other_tools(tmp_path: Path) -> None:
    path = write_state(
        tmp_path / "x.safetensors", {"module": {"encoder.conv1.weight": torch.ones(1)}}
    )
    assert list(load_file(path)) == ["module.encoder.conv1.weight"]


def test_a_failed_write_leaves_the_older_file(tmp_path: Path, monkeypatch) -> None:
    path = write_state(tmp_path / "x.safetensors", {"step": 1})

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(state.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_state(path, {"step": 2})
    monkeypatch.undo()
    assert read_state(path) == {"step": 1}
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_refuses_what_is_not_data(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="state must hold plain values and tensors, got object at"):
        write_state(tmp_path / "x.safetensors", {"a": [object()]})


def test_refuses_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"checkpoint must be a file, got .*none"):
        read_state(tmp_path / "none")
    save_file({"w": torch.ones(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match="checkpoint must be a file of gca-dali pretrain"):
        read_state(tmp_path / "plain.safetensors")


def test_never_runs_code_from_a_file(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "boom"),)

    for name, write in (("p", pickle.dump), ("t", torch.save)):
        with open(tmp_path / name, "wb") as file:
            write(Bomb(), file)
        with pytest.raises(ValueError, match="checkpoint must be a file of gca-dali pretrain"):
            read_state(tmp_path / name)
    assert not (tmp_path / "boom").exists()
