"""What CONTRIBUTING.md names exists: files of each list, stems in five places, words in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from setuptools.config.pyprojecttoml import read_configuration

from manual_pages import ROOT

PAGE = ROOT / "CONTRIBUTING.md"
TEXT = PAGE.read_text(encoding="utf-8")
CODE = re.findall(r"`([^`\n]+)`", TEXT)
SUFFIXES = (".py", ".cu", ".cuh", ".md", ".json", ".toml")
FILES = sorted(
    {word for word in CODE if re.fullmatch(r"[\w/]\S*", word) and word.endswith(SUFFIXES)}
)
STEMS = [path.stem for path in (ROOT / "kernels").rglob("*.cu")]
# Names in a list, and the file that must hold them.
NAMED = {
    "WindowLaw": "kernels/gca_dali_kernels/law.py",
    "LAW_VERSION": "kernels/gca_dali_kernels/law.py",
    "LAWS": "gca_dali/policy/parts.py",
    "Crop": "gca_dali/policy/parts.py",
    "PRESETS": "gca_dali/policy/view_policy.py",
    "build_fixations": "gca_dali/gaze/readers/generic.py",
    "FORMATS": "gca_dali/gaze/readers/__init__.py",
    "RecordingOptions": "gca_dali/cli/gaze.py",
    "sniff_format": "gca_dali/image/claims.py",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_named_exists(name):
    places = [name.replace("STEM", stem) for stem in STEMS] if "STEM" in name else [name]
    assert [place for place in places if not (ROOT / place).is_file()] == []


def test_many_files_are_named():
    assert len(FILES) > 35 and len(STEMS) == 4


@pytest.mark.parametrize("heading", ["A law", "A preset", "A reader", "A coding", "A kernel"])
def test_every_kind_of_addition_has_its_list(heading):
    section = re.search(rf"^## {heading}.*?\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert len(set(re.findall(r"`[\w./]+/[\w.]+`", section[1]))) >= 4


@pytest.mark.parametrize("name", NAMED)
def test_names_stand_in_their_files(name):
    assert re.search(rf"`{name}\b", TEXT), name
    assert re.search(rf"\b{name}\b", (ROOT / NAMED[name]).read_text(encoding="utf-8"))


def test_rooms_are_in_the_order_of_the_contract():
    project = read_configuration(ROOT / "pyproject.toml", expand=False)
    (contract,) = project["tool"]["importlinter"]["contracts"]
    shown = re.search(r"^    cli → .*\n(    +→ .*\n)*", TEXT, re.MULTILINE)
    assert shown is not None
    layers = [set(re.split(r"[,\s]+", layer.strip())) for layer in shown[0].split("→")]
    expected = [
        {
            room.strip().removeprefix("gca_dali.").removeprefix("gca_dali_")
            for room in layer.split("|")
        }
        for layer in contract["layers"]
    ]
    assert layers == expected


def test_scripts_and_folders_that_are_named_exist():
    for word in CODE:
        for module in re.findall(r"python -m (benchmarks[\w.]+)", word):
            assert (ROOT / Path(*module.split("."))).with_suffix(".py").is_file()
        for file in re.findall(r"python (?:-m pytest )?([\w/]+(?:\.py)?)(?:$| )", word):
            assert (ROOT / file).exists() or file == "-m", word
