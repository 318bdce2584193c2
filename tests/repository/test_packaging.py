"""The sdist makes a wheel with both packages, CUDA sources and nothing of the tests; it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = (".py", ".cu", ".cuh", ".safetensors", ".md", ".typed")
BUILD = "from setuptools import build_meta; build_meta.build_{}('dist')"


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The sdist of a copy of the sources, unpacked."""
    pytest.importorskip("setuptools", "77")
    source = tmp_path_factory.mktemp("source")
    for name in ("gca_dali", "kernels", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build("sdist", source)
    (path,) = (source / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(source / "unpacked", filter="data")
    (unpacked,) = (source / "unpacked").iterdir()
    return unpacked


@pytest.fixture(scope="module")
def wheel(sdist) -> zipfile.ZipFile:
    """The wheel that the sdist makes: what the sdist lacks, it lacks too."""
    build("wheel", sdist)
    (path,) = (sdist / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def build(kind: str, source: Path) -> None:
    """Build a wheel or an sdist of a folder, without a network."""
    command = [sys.executable, "-c", BUILD.format(kind)]
    child = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr


def test_sdist_holds_what_a_wheel_is_made_of_and_no_tests(sdist):
    assert {path.name for path in sdist.iterdir()} - {"dist", "build"} == {
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "gca_dali",
        "gca_dali.egg-info",
        "kernels",
        "pyproject.toml",
        "setup.cfg",
    }


def test_wheel_holds_every_source_file(wheel):
    expected = {
        path.relative_to(root).as_posix()
        for root, package in ((ROOT, "gca_dali"), (ROOT / "kernels", "gca_dali_kernels"))
        for path in (root / package).rglob("*")
        if path.suffix in SUFFIXES
    }
    held = set(wheel.namelist())
    assert expected - held == set()
    assert {"gca_dali/__init__.py", "gca_dali_kernels/__init__.py"} <= held


def test_wheel_holds_nothing_else(wheel):
    folders = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {
        "gca_dali",
        "gca_dali_kernels",
    }


def test_wheel_holds_presets_weights_kernels_and_the_mark_of_types(wheel):
    held = set(wheel.namelist())
    sources = [path for path in (ROOT / "kernels").rglob("*") if path.suffix in (".cu", ".cuh")]
    assert len(sources) > 8
    assert {f"gca_dali_kernels/{path.name}" for path in sources} <= held
    assert {"gca_dali/policy/presets.py", "gca_dali/gaze/knee.safetensors"} <= held
    assert {"gca_dali/py.typed", "gca_dali_kernels/py.typed"} <= held


def test_what_the_wheel_holds_runs(wheel, tmp_path):
    wheel.extractall(tmp_path / "installed")
    program = (
        "import gca_dali as gca, gca_dali_kernels; from gca_dali.phantoms import write_phantoms;"
        "folder = write_phantoms('phantoms', 2, kind='knee', height=64, width=64);"
        "rows = gca.Manifest.open(folder / 'labels.csv');"
        "print(gca.__file__, gca_dali_kernels.__file__, len(rows))"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    command = [sys.executable, "-c", program]
    child = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    first, second, *_ = child.stdout.split()
    assert all(name.startswith(str(tmp_path / "installed")) for name in (first, second))


def test_wheel_installs_the_command_and_the_licence(wheel):
    names = {name.split("/", 1)[1]: name for name in wheel.namelist() if ".dist-info/" in name}
    assert b"gca-dali = gca_dali.cli.main:main" in wheel.read(names["entry_points.txt"])
    assert b"Apache License" in wheel.read(names["licenses/LICENSE"])
    assert b"License-Expression: Apache-2.0" in wheel.read(names["METADATA"])


def test_ci_runs_make_test():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make --no-print-directory test" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "target", ["demo", "test", "check", "docs", "dist", "bench", "gpu", "clean"]
)
def test_make_knows_its_targets(target):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    child = subprocess.run(
        ["make", "--dry-run", target, "PY=python3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.strip()
    assert "pip install" not in child.stdout, "with PY given nothing is installed"
