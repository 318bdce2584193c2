"""The page about GPUs has the parts of `make gpu` with their budgets, and all CUDA sources."""

from __future__ import annotations

import re

import pytest

from benchmarks import gpu
from manual_pages import ROOT

TEXT = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
FOLDER = ROOT / "kernels" / "gca_dali_kernels"
SOURCES = {path.name for path in FOLDER.glob("*.cu*")}


def test_parts_and_their_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "find_sanitizer", lambda: "compute-sanitizer")
    parts = gpu.list_parts(tmp_path, None, tmp_path / "labels.csv")
    shown = re.findall(r"^\| `(\w+)` \| (\d+) \|", TEXT, re.MULTILINE)
    assert shown == [(part.name, str(part.seconds)) for part in parts]


@pytest.mark.parametrize("option", ["--images", "--knees", "--only", "--out"])
def test_options_are_those_of_the_script(option):
    assert f"`{option} " in TEXT
    assert f'"{option}"' in (ROOT / "benchmarks" / "gpu.py").read_text(encoding="utf-8")


def test_sources_stand_in_the_order_of_reading():
    shown = re.findall(r"^\| `([\w.]+\.cuh?)` \|", TEXT, re.MULTILINE)
    assert len(shown) == len(set(shown)) and set(shown) == SOURCES
    for place, name in enumerate(shown):
        included = re.findall(r'#include "(.*?)"', (FOLDER / name).read_text(encoding="utf-8"))
        assert set(included) <= set(shown[:place]), name
