"""`choose_device`, and one line for each way in which a GPU cannot be used, on a CuPy of straw."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace

import pytest
import torch

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.steps import device
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
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
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
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert device.choose_device("cuda") == "cuda:1"


def test_ranks_of_one_machine_take_a_gpu_each(straw, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for rank, chosen in (("0", "cuda:0"), ("1", "cuda:1"), ("2", "cuda:0")):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert device.choose_device("auto") == device.choose_device("cuda") == chosen


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


def test_torch_without_cuda(straw, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        RuntimeError, match=r"torch must be able to use the GPU, .* Install a build"
    ):
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


@pytest.mark.parametrize(
    "fault",
    [
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has 1 GiB."),
        RuntimeError(
            "Error in thread 0: CUDA allocation failed\nCurrent pipeline object is no longer valid."
        ),
        MemoryError("CUDA allocation failed"),
        MemoryError("Can't allocate 8388608 bytes on device 0."),
    ],
)
def test_memory_that_runs_out_takes_one_line(fault):
    message = r"^GPU memory must .* Lower batch_size"
    with pytest.raises(RuntimeError, match=message) as caught, device.explained_memory():
        raise fault
    assert "\n" not in str(caught.value)
    with pytest.raises(RuntimeError) as again, device.explained_memory():
        raise caught.value
    assert again.value is caught.value
    with pytest.raises(RuntimeError, match=r"^a file$"), device.explained_memory():
        raise RuntimeError("a file")
    with pytest.raises(MemoryError, match="on host"), device.explained_memory():
        raise MemoryError("Can't allocate 8388608 bytes on host.")


def test_the_loader_refuses_a_device_and_falls_back(straw, phantoms, caplog):
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    policy = ViewPolicy.random(size=32)
    with pytest.raises(ValueError, match="device must be 'auto', 'cpu', 'cuda' or 'cuda:N'"):
        GCALoader(manifest, policy, device="tpu")
    with pytest.raises(RuntimeError, match=r"got cuda:7\. CUDA_VISIBLE_DEVICES"):
        GCALoader(manifest, policy, device="cuda:7")
    straw.driverGetVersion = lambda: 0
    with pytest.raises(RuntimeError, match="an NVIDIA driver must be installed"):
        GCALoader(manifest, policy, device="cuda")
    with caplog.at_level(logging.WARNING, logger="gca_dali"):
        loaders = [GCALoader(manifest, policy, batch_size=2) for _ in range(2)]
    assert [loader.device for loader in loaders] == ["cpu", "cpu"]
    assert next(iter(loaders[0])).views[0].device.type == "cpu"
    assert len(caplog.records) == 1
