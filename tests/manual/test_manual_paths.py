"""Files, folders and modules of the repository that pages name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from manual_pages import FENCE, PAGES, ROOT

TOP = ("benchmarks", "docs", "examples", "gca_dali", "kernels", "tests")
# A path may begin at one of these, where the page says which, or be a name alone.
BASES = ("", "docs", "gca_dali", "kernels/gca_dali_kernels", "tests/cuda")
SUFFIX = re.compile(r"\w\.(py|cu|cuh|toml)$|^(benchmarks|docs|examples|gca_dali|kernels|tests)/")
MODULE = re.compile(r"\b((?:gca_dali|benchmarks)(?:\.\w+)+)")
LISTS = re.compile(r"<!-- messages: .*?<!-- end -->", re.DOTALL)  # have names of other things
STEMS = [path.stem for path in (ROOT / "kernels").rglob("*.cu")]
NAMES = {path.name for top in TOP for path in (ROOT / top).rglob("*.*")} | {"pyproject.toml"}
# Of the reader's, written by `make gpu` on a machine with a GPU, or meant for any room.
OTHERS = {"mine.toml", "main_dino.py", "benchmarks/results/<device>.json"}
OTHERS |= {"gca_dali/ROOM/", "tests/ROOM/"}


def find_paths(text: str) -> list[str]:
    """Return what the code of a page, outside of blocks, names as a file or folder of ours."""
    codes = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    words = dict.fromkeys(word for code in codes for word in code.split())
    return [word for word in words if SUFFIX.search(word) and word not in OTHERS]


def is_there(name: str) -> bool:
    places = [name.replace("STEM", stem) for stem in STEMS] if "STEM" in name else [name]
    if "/" not in name:
        return set(places) <= NAMES
    return all(any((ROOT / base / place).exists() for base in BASES) for place in places)


def is_module(name: str) -> bool:
    """Tell whether a dotted name is a module, or a word in the module before its last part."""
    path, last = ROOT / Path(*name.split(".")), name.rpartition(".")[2]
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    file = path.parent / "__init__.py" if path.parent.is_dir() else path.parent.with_suffix(".py")
    return file.is_file() and bool(re.search(rf"\b{last}\b", file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    assert [name for name in find_paths(text) if not is_there(name)] == []
    named = MODULE.findall(LISTS.sub("", text))
    assert [name for name in named if not is_module(name)] == []


def test_many_are_named():
    assert sum(len(find_paths(page.read_text(encoding="utf-8"))) for page in PAGES) > 90


def test_what_is_not_there_is_found():
    text = "`gca_dali/steps/cpu_views.py` `STEM.cu` `cpu/STEM.py` `nowhere.py` `tests/nowhere`"
    named = find_paths(text)
    assert [name for name in named if not is_there(name)] == [
        "gca_dali/steps/cpu_views.py",
        "nowhere.py",
        "tests/nowhere",
    ]
    assert is_module("gca_dali.runners.cpu.CpuViews") and is_module("gca_dali.fn.keys")
    assert not is_module("gca_dali.steps.cpu_views") and not is_module("gca_dali.fn.no_such")
