"""`choose_device`, and one line for each way in which a GPU cannot be used, on a CuPy of straw."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace

import pytest

from gca_dali import device
from gca_dali_kernels import gpu


class StrawRuntimeError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"cudaError{status}: something\nlong")
        self.status = status


class StrawMemoryError(Exception):
    pass


class StrawDriverError(Exception):
    pass


class StrawCompileError(Exception):
    pass


@pytest.fixture
def straw(monkeypatch):
    """A CuPy with two GPUs and a driver for CUDA 12.8."""
    runtime = SimpleNamespace(
        CUDARuntimeError=StrawRuntimeError,
        driverGetVersion=lambda: 12080,
        runtimeGetVersion=lambda: 12060,
        getDeviceCount=lambda: 2,
    )
    cuda = SimpleNamespace(
        runtime=runtime,
        memory=SimpleNamespace(OutOfMemoryError=StrawMemoryError),
        driver=SimpleNamespace(CUDADriverError=StrawDriverError),
        compiler=SimpleNamespace(CompileException=StrawCompileError),
    )
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))
    monkeypatch.setattr(device, "_said", set())
    return runtime


def raise_status(status: int):
    def fail():
        raise StrawRuntimeError(status)

    return fail


def test_gpu_is_chosen_where_there_is_one(straw, monkeypatch):
    assert device.choose_device("auto") == "cuda:0"
    assert device.choose_device("cuda") == "cuda:0"
    assert device.choose_device("cuda:1") == "cuda:1"
    assert device.choose_device("cpu") == "cpu"
    torch = SimpleNamespace(
        cuda=SimpleNamespace(is_initialized=lambda: True, current_device=lambda: 1)
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert device.choose_device("cuda") == "cuda:1"


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:0x", "", "CPU"])
def test_unknown_name(name):
    with pytest.raises(ValueError, match=r"device must be 'auto', 'cpu', 'cuda' or 'cuda:N', got"):
        device.choose_device(name)


def test_wrong_number(straw):
    message = r"device must be one of cuda:0 to cuda:1, got cuda:2\. CUDA_VISIBLE_DEVICES"
    with pytest.raises(RuntimeError, match=message):
        device.choose_device("cuda:2")


def test_no_driver(straw):
    straw.driverGetVersion = lambda: 0
    with pytest.raises(RuntimeError, match=r"an NVIDIA driver must be installed .* Install one"):
        device.choose_device("cuda")


def test_old_driver(straw):
    straw.driverGetVersion = lambda: 11020
    straw.getDeviceCount = raise_status(35)
    with pytest.raises(RuntimeError, match=r"must support CUDA 12\.6, got one for 11\.2\. Update"):
        device.choose_device("cuda")


@pytest.mark.parametrize("count", [raise_status(100), lambda: 0], ids=["error", "zero"])
def test_no_visible_device(straw, count):
    straw.getDeviceCount = count
    with pytest.raises(RuntimeError, match=r"must be visible .* CUDA_VISIBLE_DEVICES"):
        device.choose_device("cuda")


def test_other_failure(straw):
    straw.getDeviceCount = raise_status(999)
    with pytest.raises(RuntimeError, match=r"got 'cudaError999: something long'\. See `gca-dali"):
        device.choose_device("cuda")


def test_no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RuntimeError, match=r"CuPy must be importable .* gca_dali\[cuda12\]"):
        device.choose_device("cuda")


def test_auto_falls_back_and_says_so_once(straw, caplog):
    straw.driverGetVersion = lambda: 0
    with caplog.at_level(logging.WARNING, logger="gca_dali"):
        assert [device.choose_device("auto") for _ in range(3)] == ["cpu"] * 3
    assert len(caplog.records) == 1
    assert "falls back to the CPU: an NVIDIA driver must be installed" in caplog.text


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (StrawMemoryError("Out of memory\nallocating 5 bytes"), r"GPU memory must .* batch_size"),
        (StrawRuntimeError(700), r"the GPU must finish its work, got 'cudaError700"),
        (StrawDriverError("CUDA_ERROR"), r"the GPU must finish its work, got 'CUDA_ERROR'"),
        (StrawCompileError("no header"), r"the GPU must finish its work, got 'no header'"),
    ],
)
def test_failures_of_work_take_one_line(straw, error, message):
    with pytest.raises(RuntimeError, match=message) as caught, gpu.explained_errors():
        raise error
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


def test_other_errors_pass(straw):
    with pytest.raises(KeyError), gpu.explained_errors():
        raise KeyError("x")
