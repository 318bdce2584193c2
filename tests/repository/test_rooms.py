"""The rooms of the package: few names at the top, imports from below only, a word at each door."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "gca_dali"
ROOMS = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))
LINT = "from importlinter.cli import lint_imports_command as lint; lint()"


def lint(folder: Path) -> subprocess.CompletedProcess:
    paths = {"PYTHONPATH": f"{folder}:{folder / 'kernels'}"}
    command = [sys.executable, "-c", LINT, "--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    return subprocess.run(
        command, cwd=folder, env=os.environ | paths, capture_output=True, text=True, check=False
    )


def test_a_room_imports_only_from_rooms_below_it():
    pytest.importorskip("importlinter")
    child = lint(ROOT)
    assert child.returncode == 0, child.stdout + child.stderr
    assert "1 kept, 0 broken" in child.stdout


def test_every_room_has_a_place_in_the_order():
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    names = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()]
    names += [path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"]
    assert [name for name in names if f"gca_dali.{name}" not in settings] == []


def test_the_top_folder_is_small():
    assert len(list(PACKAGE.glob("*.py"))) <= 10


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.relative_to(ROOT).as_posix())
def test_a_room_says_what_it_is_for(room):
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
    assert text and text.rstrip(".") != text


def imports_of(path: Path, names: dict[str, Path]) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in inner | {node.module} if name in names}
    return found


def find_circle(arrows: dict[str, set[str]]) -> list[str]:
    """Return modules that import each other in a circle; an empty list where there is none."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return way[way.index(name) :]
        if name in done:
            return []
        for other in sorted(arrows.get(name, ())):
            if circle := visit(other, [*way, name]):
                return circle
        done.add(name)
        return []

    return next((circle for name in sorted(arrows) if (circle := visit(name, []))), [])


def test_no_modules_import_each_other_in_a_circle():
    # Inside a room too, and for types alike.
    names = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if path.name != "__init__.py":
            names[".".join(parts)] = path
    assert find_circle({name: imports_of(path, names) for name, path in names.items()}) == []


def test_a_circle_is_found():
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert find_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
