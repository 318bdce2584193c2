"""Options that every command has, and remedies: they name what exists."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from gca_dali.cli.main import COMMANDS, app
from gca_dali.common import progress
from gca_dali.data.manifest import Manifest
from make_images import put_csv, put_images

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "gca_dali").rglob("*.py"), *(ROOT / "kernels").rglob("*.py")])
# Of other programs: NVRTC and ptxas.
FOREIGN = {"--std", "--gpu-architecture"}


def walk_commands() -> Iterator[tuple[str, Any]]:
    for name, (module, _) in COMMANDS.items():
        found = typer.main.get_command(importlib.import_module(module).app)
        for inner, command in getattr(found, "commands", {"": found}).items():
            yield f"{name} {inner}".strip(), command


ALL = dict(walk_commands())


@pytest.mark.parametrize("name", ALL)
def test_every_command_that_takes_a_manifest_follows_links_when_told(name):
    parameters = ALL[name].params
    options = {option for parameter in parameters for option in parameter.opts}
    shown = {str(parameter.metavar).strip("[]") for parameter in parameters}
    if shown & {"MANIFEST", "SRC"}:
        assert "--allow-outside" in options
    else:
        assert name in ("demo", "doctor", "export")
    assert {"--json", "--quiet", "--debug"} <= options


@pytest.fixture
def outside(tmp_path) -> Path:
    put_images(tmp_path / "elsewhere", "far.png")
    root = put_images(tmp_path / "xrays", "near.png")
    (root / "far.png").symlink_to(tmp_path / "elsewhere/far.png")
    return root


def index(*arguments: str) -> dict:
    return json.loads(CliRunner().invoke(app, ["index", *arguments, "--json"]).stdout)


def test_a_file_outside_is_refused_with_the_option_that_lets_it(outside, tmp_path):
    refused = index(str(outside))
    assert refused["rows"] == 1 and "--allow-outside" in refused["refused"][0]["reason"]
    assert index(str(outside), "--allow-outside")["rows"] == 2
    labels = put_csv(tmp_path, "path,label\nfar.png,1\nnear.png,0\n")
    (tmp_path / "far.png").symlink_to(outside / "near.png")
    assert index(str(outside), "--labels", str(labels), "--allow-outside")["rows"] == 2
    saved = tmp_path / "saved.parquet"
    index(str(outside), "--allow-outside", "--out", str(saved))
    result = CliRunner().invoke(app, ["index", str(saved)])
    assert result.exit_code == 1 and "--allow-outside" in result.stderr
    assert index(str(saved), "--allow-outside")["rows"] == 2


def test_a_command_of_a_manifest_passes_the_option_on(outside):
    found = []

    def note(*args, **options):
        found.append(options["allow_outside"])
        raise ValueError("enough")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Manifest, "open", note)
        for command in ("preview", "bench"):
            CliRunner().invoke(app, [command, str(outside), "--allow-outside"])
    assert found == [True, True]


def test_quiet_shows_neither_bars_nor_tables(outside, monkeypatch):
    shown = []
    monkeypatch.setattr(progress, "DELAY_SECONDS", -1.0)
    monkeypatch.setattr(progress, "_make_bar", lambda rate: shown.append(rate) or NoBar())
    assert CliRunner().invoke(app, ["index", str(outside)]).stdout and shown
    shown.clear()
    result = CliRunner().invoke(app, ["index", str(outside), "--quiet"])
    assert result.exit_code == 0 and result.output == "" and not shown
    result = CliRunner().invoke(app, ["index", str(outside), "--quiet", "--json"])
    assert json.loads(result.output)["rows"] == 1
    result = CliRunner().invoke(app, ["index", str(outside / "nothing"), "--quiet"])
    assert result.exit_code == 1 and "nothing" in result.stderr


class NoBar:
    def start(self) -> None: ...

    def stop(self) -> None: ...

    def add_task(self, *_, **__) -> int:
        return 0

    def update(self, *_, **__) -> None: ...


def test_messages_name_options_that_exist():
    options = {option for command in ALL.values() for p in command.params for option in p.opts}
    named = {
        (path.relative_to(ROOT).as_posix(), option)
        for path in SOURCES
        for text in texts_of(path)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text)
    }
    assert len(named) > 20
    assert [
        item for item in sorted(named) if item[1] not in options | FOREIGN | {"--version", "--help"}
    ] == []


def test_messages_name_arguments_that_exist():
    arguments, named = set(), set()
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.arg):
                arguments.add(node.arg)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                arguments.add(node.target.id)
            if isinstance(node, ast.Raise):
                for text in texts_of(node):
                    found = re.findall(r"\b([a-z]+(?:_[a-z]+)*)=(?=True|False|None|['\d])", text)
                    named |= {(path.name, name) for name in found}
    assert len(named) > 5
    assert [item for item in sorted(named) if item[1] not in arguments] == []


def texts_of(where: Path | ast.AST) -> Iterator[str]:
    """Give the texts of a module but for its docstrings, or those below a node."""
    if isinstance(where, Path):
        where = ast.parse(where.read_text(encoding="utf-8"))
    lone = {id(node.value) for node in ast.walk(where) if isinstance(node, ast.Expr)}
    for node in ast.walk(where):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in lone:
            yield node.value


def test_a_command_in_a_shell_is_quiet_too(outside):
    child = subprocess.run(
        [sys.executable, "-m", "gca_dali.cli.main", "index", str(outside), "--quiet"],
        capture_output=True,
        check=True,
    )
    assert child.stdout == child.stderr == b""
