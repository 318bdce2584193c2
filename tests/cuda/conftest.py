"""A builder of emulated kernels, skipped where it cannot work, and a GPU of straw on top of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gca_dali.runners import cuda as cuda_views
from gca_dali_kernels import integrate_maps, render_views, resident, sample_cutouts, sample_windows
from kernel_emulator import SANITIZERS, Builder, find_compiler
from straw_gpu import StrawEvent, StrawRunner, as_straw, make_cupy
from straw_loader import STREAM

CACHES = (resident._send, render_views.shared_memory)


@lru_cache(maxsize=4)
def why_not(compiler: str, flags: tuple[str, ...]) -> str:
    """Build and run an empty program; return what went wrong."""
    folder = Path(__import__("tempfile").mkdtemp())
    try:
        (folder / "empty.cpp").write_text("int main() {}\n")
        program = folder / "empty"
        for command in ([compiler, *flags, folder / "empty.cpp", "-o", program], [program]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return done.stderr.strip().splitlines()[-1][:200]
        return ""
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def builder(request: pytest.FixtureRequest) -> Builder:
    """Builds programs, kept in pytest's cache from run to run."""
    if find_compiler() is None:
        pytest.skip("kernels run on the CPU only with a C++ compiler: install g++ or set CXX")
    return Builder(Path(request.config.cache.mkdir("emulated_kernels")))


@pytest.fixture
def sanitizer(request: pytest.FixtureRequest, builder: Builder) -> str:
    """Name of a sanitizer, "address" unless parametrised; skipped where it does not work here."""
    name = getattr(request, "param", "address")
    reason = why_not(builder.compiler, SANITIZERS[name])
    if reason:
        pytest.skip(f"the {name} sanitizer does not work here: {reason}")
    return name


@pytest.fixture
def straw(sanitizer, builder, tmp_path, monkeypatch) -> Iterator[StrawRunner]:
    """Everything that reaches for a GPU finds one of straw; the runner knows what was launched."""
    runner = StrawRunner(builder, tmp_path)
    monkeypatch.setitem(sys.modules, "cupy", make_cupy(runner.stream))
    for module in (integrate_maps, sample_windows, sample_cutouts, render_views):
        monkeypatch.setattr(module, "run", runner)
    monkeypatch.setattr(cuda_views, "as_cupy", as_straw)
    stream = SimpleNamespace(cuda_stream=STREAM)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "Event", partial(StrawEvent, runner.stream))
    for cache in CACHES:
        cache.cache_clear()
    yield runner
    for cache in CACHES:
        cache.cache_clear()
