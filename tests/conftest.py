"""Fixtures shared by all tests: the real X-rays beside the repository, and the GPU rule."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# The suite is the CPU's; tests marked gpu run under REQUIRE_GPU=1, as `make gpu` does.
if os.environ.get("REQUIRE_GPU") != "1":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real X-rays beside the repository; the test is skipped where it is absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real X-rays at {folder}")
    return folder


def _missing_gpu() -> str:
    """Say why no GPU can be used; an empty string where one can."""
    try:
        import cupy

        if cupy.cuda.runtime.getDeviceCount() > 0:
            return ""
        return "no CUDA device"
    except Exception as error:  # any fault of driver or runtime means that there is no GPU
        return f"no usable GPU: {error}"


@pytest.fixture(scope="session")
def require_gpu() -> None:
    """Skip without a GPU; fail instead under REQUIRE_GPU=1."""
    reason = _missing_gpu()
    if reason and os.environ.get("REQUIRE_GPU") == "1":
        pytest.fail(f"REQUIRE_GPU=1, but {reason}")
    if reason:
        pytest.skip(reason)


@pytest.fixture(autouse=True, scope="session")
def _cache_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep predicted maps, those of child processes too, out of the user's cache folder."""
    os.environ["GCA_DALI_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _gpu_marker(request: pytest.FixtureRequest) -> None:
    """Apply the rule of ``require_gpu`` to every test marked ``gpu``."""
    if request.node.get_closest_marker("gpu"):
        request.getfixturevalue("require_gpu")


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 28 phantom chests and knees, 96 × 96, 8 bits, with maps, boxes and fixations."""
    from gca_dali.phantoms import write_phantoms

    folder = tmp_path_factory.mktemp("phantoms")
    return write_phantoms(folder, 28, kind="mixed", height=96, width=96)


@pytest.fixture(scope="session")
def deep_phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 4 phantom chests, 96 × 96, 16 bits."""
    from gca_dali.phantoms import write_phantoms

    folder = tmp_path_factory.mktemp("deep_phantoms")
    return write_phantoms(folder, 4, kind="chest", height=96, width=96, bits=16)
