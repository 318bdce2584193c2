"""A builder of emulated kernels, skipped where there is no compiler or no sanitizer."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

from kernel_emulator import SANITIZERS, Builder, find_compiler


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
