"""The licence of every package that this one brings along, from what is installed.

`pyproject.toml` and the metadata of installed packages enter; the table of `docs/licences.md`
leaves. Run ``python -m benchmarks.licences``.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools.config.pyprojecttoml import read_configuration

from benchmarks.row import REPOSITORY

TABLE = REPOSITORY / "docs" / "licences.md"
# What users install; the tools of developers are no part of it.
EXTRAS = ("cuda12", "dicom", "train")
COPYLEFT = re.compile(r"\b[AL]?GPL|General Public", re.IGNORECASE)
_MAX_WORDS = 60
_UNTOLD = ("", "UNKNOWN")
_INTRO = """# Licences of dependencies

Written by `python -m benchmarks.licences` from the metadata of the installed packages: what users
install, with the extras that bring it ("core" where none is needed). The tools of the `dev` extra
are not among them. None is under the GPL, LGPL or AGPL. Under the MPL-2.0, whose copyleft ends with
its own files: {weak}. The CUDA libraries are NVIDIA's, under its own terms, and come with PyTorch
and DALI.

| package | version | licence | comes with |
|---|---|---|---|
"""


@dataclass
class Licence:
    """What a package says of itself; `brought_by` are "core" and extras."""

    name: str
    version: str
    text: str
    brought_by: list[str]


def collect_licences() -> list[Licence]:
    """Return the licences of all packages that users install, by name."""
    project = read_configuration(REPOSITORY / "pyproject.toml")["project"]
    needed = {"core": project["dependencies"]}
    needed |= {extra: project["optional-dependencies"][extra] for extra in EXTRAS}
    found: dict[str, Licence] = {}
    for extra, requirements in needed.items():
        for package in walk_requirements(requirements):
            name = package.metadata["Name"]
            row = Licence(name, package.version, read_licence(package), [])
            brought_by = found.setdefault(canonicalize_name(name), row).brought_by
            # What the core needs is always there.
            if "core" not in brought_by:
                brought_by.append(extra)
    return [found[name] for name in sorted(found)]


def walk_requirements(requirements: list[str]) -> list[Distribution]:
    """Return the installed packages that these need, directly or not."""
    found: dict[str, Distribution] = {}
    waiting = deque((Requirement(text), "") for text in requirements)
    while waiting:
        requirement, extra = waiting.popleft()
        name = canonicalize_name(requirement.name)
        is_wanted = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        if not is_wanted or name in found:
            continue
        try:
            found[name] = distribution(requirement.name)
        except PackageNotFoundError:
            continue
        for text in found[name].requires or []:
            waiting.extend((Requirement(text), extra) for extra in ("", *requirement.extras))
    return list(found.values())


def read_licence(package: Distribution) -> str:
    """Return the licence as the metadata name it: an expression, a short text or classifiers."""
    metadata = package.metadata
    for key in ("License-Expression", "License"):
        text = " ".join((metadata[key] or "").split())
        if text not in _UNTOLD and len(text) <= _MAX_WORDS:
            return text.replace("LicenseRef-", "")
    marks = [mark.split(" :: ") for mark in metadata.get_all("Classifier") or []]
    names = [mark[-1] for mark in marks if mark[0] == "License"]
    long_text = " ".join((metadata["License"] or "").split())[:_MAX_WORDS]
    return ", ".join(names) or long_text or "not told in its metadata"


def write_table() -> None:
    """Write `docs/licences.md`; ValueError names what must not be in it."""
    rows = collect_licences()
    strong = [row.name for row in rows if COPYLEFT.search(row.text)]
    if strong:
        raise ValueError(f"licences must not be copyleft, got that of {', '.join(strong)}.")
    weak = ", ".join(row.name for row in rows if "MPL" in row.text)
    lines = [
        f"| {row.name} | {row.version} | {row.text} | {', '.join(row.brought_by)} |" for row in rows
    ]
    TABLE.write_text(_INTRO.format(weak=weak) + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_table()
