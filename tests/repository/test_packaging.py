"""A wheel holds both packages, the CUDA sources and nothing of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = (".py", ".cu", ".cuh", ".safetensors", ".md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    pytest.importorskip("setuptools", "77")
    source = tmp_path_factory.mktemp("source")
    for name in ("gca_dali", "kernels", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    program = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    child = subprocess.run(
        [sys.executable, "-c", program], cwd=source, capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    (path,) = (source / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


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


def test_wheel_installs_the_command_and_the_licence(wheel):
    names = {name.split("/", 1)[1]: name for name in wheel.namelist() if ".dist-info/" in name}
    assert b"gca-dali = gca_dali.cli.main:main" in wheel.read(names["entry_points.txt"])
    assert b"Apache License" in wheel.read(names["licenses/LICENSE"])
    assert b"License-Expression: Apache-2.0" in wheel.read(names["METADATA"])


def test_ci_runs_make_test():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make --no-print-directory test" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench", "gpu", "clean"])
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
