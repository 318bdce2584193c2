"""Nothing that users install is copyleft, and the table of licences names all of it."""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools.config.pyprojecttoml import read_configuration

from benchmarks.licences import COPYLEFT, EXTRAS, TABLE, collect_licences, walk_requirements
from benchmarks.row import REPOSITORY


def test_no_dependency_is_copyleft():
    for row in collect_licences():
        assert not COPYLEFT.search(row.text), f"{row.name}: {row.text}"


def test_copyleft_would_be_found():
    for text in ("GPL-3.0-only", "LGPL v2", "GNU General Public License v3 (GPLv3)", "AGPL"):
        assert COPYLEFT.search(text)
    assert not COPYLEFT.search("BSD-3-Clause AND MPL-2.0")


def test_every_direct_dependency_is_in_the_table():
    project = read_configuration(REPOSITORY / "pyproject.toml")["project"]
    needed = [*project["dependencies"]]
    for extra in EXTRAS:
        needed += project["optional-dependencies"][extra]
    text = TABLE.read_text(encoding="utf-8").lower().replace("_", "-")
    for requirement in map(Requirement, needed):
        # The table is of one Python; what only older ones need is not in it.
        if requirement.marker is None or requirement.marker.evaluate():
            assert f"| {canonicalize_name(requirement.name)} |" in text, requirement


def test_what_a_dependency_needs_is_followed():
    names = {package.metadata["Name"].lower() for package in walk_requirements(["rich>=13"])}
    assert {"rich", "pygments"} <= names
