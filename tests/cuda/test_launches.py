"""What a launch asks of the driver: shared memory within the limits, for every size and blur.

The driver is of straw: it refuses what a real one refuses. What kernels declare themselves is read
from the cubins' record.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gca_dali.gaze.table import SaliencyTable
from gca_dali.policy.group import ViewGroup
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.runners.cuda import CudaViews, DeviceImages
from gca_dali_kernels import launch
from gca_dali_kernels.launch import Launch
from gca_dali_kernels.look import ViewLook
from gca_dali_kernels.tiling import SharedMemory, Tiling, choose_tiling
from straw_loader import STREAM

KIB = 1024
RECORDED = json.loads((Path(__file__).parent / "resources.json").read_text())["kernels"]
# What CUDA's programming guide lists per block, with asking for it, and per multiprocessor.
MEMORY = {
    "sm_75": SharedMemory(64 * KIB, 64 * KIB),
    "sm_80": SharedMemory(163 * KIB, 164 * KIB),
    "sm_90": SharedMemory(227 * KIB, 228 * KIB),
    "sm_100": SharedMemory(227 * KIB, 228 * KIB),
    "sm_120": SharedMemory(99 * KIB, 100 * KIB),
}
SIZES = (1, 2, 17, *range(32, 257, 16), 299, 384, 512, 1024)
SIGMAS = (0.0, *np.arange(1, 121) / 10.0)
VIEWS = [name for name in RECORDED if name.startswith("render_views")]


class Driver:
    """A kernel and the limits of its device."""

    def __init__(self, static: int, memory: SharedMemory) -> None:
        self.shared_size_bytes, self.memory = static, memory
        self.allowed = 48 * KIB - static
        self.launched: list[int] = []

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        return self.allowed

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, num_bytes: int) -> None:
        assert num_bytes + self.shared_size_bytes <= self.memory.per_block
        self.allowed = num_bytes

    def __call__(self, grid, block, arguments, shared_mem) -> None:
        assert shared_mem <= self.allowed, f"{shared_mem} of {self.allowed} bytes"
        self.launched.append(shared_mem)


@pytest.fixture
def load(straw, monkeypatch):
    """Set what stands for the compiled kernel."""

    def put(driver: Driver) -> Driver:
        monkeypatch.setattr(launch, "load_kernel", lambda *given: driver)
        return driver

    return put


def blurred(sigma: float) -> tuple[ViewLook, ...]:
    return (ViewLook(blur=1.0 if sigma else 0.0, blur_sigma_px=(0.1, sigma or 0.1)),)


def asking(tiling: Tiling) -> Launch:
    return Launch("render_views", (1, 1, 1), 256, (), tiling.num_shared_bytes, "uint8")


@pytest.mark.parametrize("architecture", MEMORY)
@pytest.mark.parametrize("kernel", VIEWS)
def test_every_size_and_blur_is_launched_or_refused(kernel, architecture, load):
    """Each pair on a driver that has seen no other; a refusal is a line, made before the launch."""
    static = RECORDED[kernel][architecture]["shared_bytes"]
    assert static > 0
    memory, launched, largest = MEMORY[architecture], 0, 0
    for size in SIZES:
        for sigma in SIGMAS:
            try:
                tiling = choose_tiling((size, size), blurred(float(sigma)), memory)
            except ValueError as error:
                assert "blur_sigma_px must leave room" in str(error)
                continue
            driver = load(Driver(static, memory))
            launch.run(asking(tiling), STREAM)
            launched += len(driver.launched)
            largest = max(largest, tiling.num_shared_bytes)
    assert launched > 2000 and largest > 48 * KIB


@pytest.mark.parametrize(("size", "sigma"), [(112, 5.3), (128, 4.0)])
def test_a_launch_whose_own_variables_take_it_over_the_default(size, sigma, load):
    tiling = choose_tiling((size, size), blurred(sigma), MEMORY["sm_90"])
    static = RECORDED["render_views<uint8>"]["sm_90"]["shared_bytes"]
    assert 48 * KIB - static < tiling.num_shared_bytes <= 48 * KIB
    driver = load(Driver(static, MEMORY["sm_90"]))
    launch.run(asking(tiling), STREAM)
    assert driver.launched == [driver.allowed] == [tiling.num_shared_bytes]


@pytest.mark.parametrize("kernel", [name for name in RECORDED if name not in VIEWS])
def test_the_other_kernels_need_no_more_than_the_default(kernel, load):
    for resources in RECORDED[kernel].values():
        assert resources["shared_bytes"] <= 48 * KIB
    driver = load(Driver(RECORDED[kernel]["sm_90"]["shared_bytes"], MEMORY["sm_90"]))
    launch.run(Launch(kernel, (1, 1, 1), 128, (np.int32(1),)), STREAM)
    assert driver.launched == [0]


def test_a_tiling_is_chosen_once():
    choose_tiling.cache_clear()
    for _ in range(3):
        choose_tiling((224, 224), blurred(2.0), MEMORY["sm_90"])
    assert choose_tiling.cache_info().misses == 1


def test_looks_are_made_once_for_all_batches(straw, monkeypatch):
    """Nothing of the policy is worked out again for a batch."""
    made, policy = [], ViewPolicy.gca(size=48)
    look = ViewGroup.looks

    def note(group: ViewGroup, mean: float, deviation: float):
        made.append(group.num_views)
        return look(group, mean, deviation)

    monkeypatch.setattr(ViewGroup, "looks", note)
    table = SaliencyTable(np.zeros((1, 64, 64), np.uint8), np.zeros(2, np.int64))
    sizes = np.full((2, 2), 30, np.int32)
    maker = SimpleNamespace(policy=policy, table=table, sizes=sizes, seed=0)
    views = CudaViews(maker, np.zeros(2, np.int64), "cpu")  # type: ignore[arg-type]
    image = np.zeros((30, 30), np.uint8)
    pointers = np.full(2, image.ctypes.data, np.uint64)
    images = DeviceImages(pointers, sizes, "uint8", [image] * 2)
    keys = np.array([[0, 0], [1, 0]], np.int64)
    for _ in range(2):
        assert len(views((images, keys))) == 2
    assert made == [2]
