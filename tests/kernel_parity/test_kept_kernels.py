"""Where compiled kernels are kept: beside their sources, in the user's cache, or in memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gca_dali_kernels.kept import cache_folder, can_write
from small_disk import small_disk

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (
    "import numpy as np\n"
    "from gca_dali_kernels.cpu import integrate_maps as module\n"
    "from gca_dali_kernels.cpu.ahead import is_kept\n"
    "is_kept(module.integrate_part)\n"
    "maps = np.ones((1, 64, 64), np.uint8)\n"
    "print(module.__file__, int(module.integrate_maps(maps)[0].max()))\n"
    "from gca_dali_kernels.cpu import compiled\n"
    "print(compiled.CACHE)\n"
)


@pytest.fixture
def copied(tmp_path) -> Path:
    """The kernels as they would be installed, without anything compiled."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(
        ROOT / "kernels/gca_dali_kernels", tmp_path / "site/gca_dali_kernels", ignore=ignored
    )
    return tmp_path / "site"


def run(site: Path, **variables: str) -> tuple[list[str], str]:
    """Run the program in a process of its own; return what it prints, and its stderr."""
    hidden = ("GCA_DALI_CACHE", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM],
        env=kept | {"PYTHONPATH": str(site)} | variables,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, cache = done.stdout.splitlines()
    assert first == f"{site}/gca_dali_kernels/cpu/integrate_maps.py 4096"
    # Where a machine is slow, a line says that it compiles; see test_compile_ahead.
    lines = done.stderr.splitlines(keepends=True)
    return cache.split(), "".join(line for line in lines if "are being compiled" not in line)


def kernels_in(folder: Path) -> set[str]:
    return {path.name.split("-")[0] for path in folder.rglob("*.nbc")}


def test_beside_the_sources_where_that_can_be_written(copied, tmp_path):
    beside = copied / "gca_dali_kernels/cpu/__pycache__"
    cache, errors = run(copied, HOME=str(tmp_path / "home"))
    assert cache == [str(beside)] and errors == ""
    assert any(name.startswith("integrate_maps.") for name in kernels_in(beside))
    assert not (tmp_path / "home").exists()


def test_in_the_users_cache_where_the_package_cannot_be_written(copied, tmp_path):
    """Played: a file lies where the folder would be, which stops root too."""
    (copied / "gca_dali_kernels/cpu/__pycache__").touch()
    home = tmp_path / "home"
    for _ in range(2):
        cache, errors = run(copied, HOME=str(home))
        assert cache == [str(home / ".cache/gca_dali/kernels")] and errors == ""
    kernels = sorted((home / ".cache/gca_dali/kernels").rglob("*.nbc"))
    assert kernels
    # A kernel that is older than any source is compiled again.
    os.utime(copied / "gca_dali_kernels/law.py", (2**32, 2**32))
    run(copied, HOME=str(home))
    for kernel in kernels:
        assert kernel.stat().st_mtime > kernels[0].stat().st_ctime - 60
    assert kernels_in(home) and not (copied / "gca_dali_kernels/cpu/__pycache__").is_dir()


def test_in_memory_where_nothing_can_be_written_and_one_line_says_so(copied, tmp_path):
    """Played by files in place of folders."""
    (copied / "gca_dali_kernels/cpu/__pycache__").touch()
    (tmp_path / "home").touch()
    cache, errors = run(copied, HOME=str(tmp_path / "home"))
    assert cache == ["None"]
    (line,) = errors.splitlines()
    assert "compiled kernels are kept in memory" in line and "set GCA_DALI_CACHE" in line


def test_on_a_disk_that_nobody_can_write_to(copied, tmp_path):
    """A read-only mount, for package and home alike."""
    with small_disk(tmp_path / "disk", 4000) as mounted:
        shutil.copytree(copied, mounted.folder / "site")
        mounted.close_for_writing()
        cache, errors = run(mounted.folder / "site", HOME=str(mounted.folder))
        assert cache == ["None"] and len(errors.splitlines()) == 1
        chosen = str(tmp_path / "chosen")
        cache, errors = run(mounted.folder / "site", HOME="/proc", GCA_DALI_CACHE=chosen)
        assert cache == [f"{chosen}/kernels"] and errors == ""


def test_numbas_own_variable_comes_first(copied, tmp_path):
    cache, errors = run(copied, NUMBA_CACHE_DIR=str(tmp_path / "numba"))
    assert cache == [str(tmp_path / "numba")] and errors == ""
    assert kernels_in(tmp_path / "numba") and not kernels_in(copied)


def test_a_full_disk_costs_no_more_than_the_time(copied, tmp_path):
    with small_disk(tmp_path / "disk", 24) as mounted:
        (mounted.folder / "filler").write_bytes(bytes(12 << 10))
        cache, errors = run(copied, NUMBA_CACHE_DIR=str(mounted.folder / "numba"))
        assert cache == [str(mounted.folder / "numba")]
    (line,) = errors.splitlines()
    assert "compiled kernels are kept in memory" in line and "No space left on device" in line


@pytest.mark.parametrize(("pattern", "kept_share"), [("*.nbi", 0.0), ("*.nbc", 0.5)])
def test_what_a_power_loss_cut_off_is_written_anew_and_one_line_says_so(
    copied, tmp_path, pattern, kept_share
):
    folder = tmp_path / "numba"
    run(copied, NUMBA_CACHE_DIR=str(folder))
    sound = {path: path.read_bytes() for path in folder.rglob(pattern)}
    assert sound
    for path, content in sound.items():
        path.write_bytes(content[: int(len(content) * kept_share)])
    _, errors = run(copied, NUMBA_CACHE_DIR=str(folder))
    (line,) = errors.splitlines()
    assert "compiled kernels are damaged" in line and str(folder) in line
    assert all(path.stat().st_size > 0.9 * len(content) for path, content in sound.items())
    assert run(copied, NUMBA_CACHE_DIR=str(folder))[1] == ""


def test_a_user_without_a_home_has_a_folder_all_the_same(monkeypatch):
    for name in ("GCA_DALI_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert cache_folder("maps") == Path("/.cache/gca_dali/maps")


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path):
    (tmp_path / "file").touch()
    assert not can_write(tmp_path / "file" / "folder")
    assert can_write(tmp_path / "folder") and not list((tmp_path / "folder").iterdir())
