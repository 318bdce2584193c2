"""The page of commands has what the command line has: every command, option and argument."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pytest
import typer

from benchmarks.manual.commands import PAGE, fill, find_several, read_info, walk_commands, write_row
from gca_dali.cli.common import _COMMON
from gca_dali.cli.main import COMMANDS

TEXT = PAGE.read_text(encoding="utf-8")
LISTED = dict(walk_commands())


def walk_typer() -> dict[str, Any]:
    """Return the commands as typer makes them, by what is typed."""
    found = {}
    for name, (module, _) in COMMANDS.items():
        made: Any = typer.main.get_command(importlib.import_module(module).app)
        for inner, command in getattr(made, "commands", {"": made}).items():
            found[f"{name} {inner}".strip()] = command
    return found


MADE = walk_typer()


def section_of(name: str) -> str:
    found = re.search(rf"^## {name}\n(.*?)(?=^## |^<!-- end)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, name
    return found[1]


def test_the_lists_are_those_of_the_commands():
    assert fill(TEXT) == TEXT, "run python -m benchmarks.manual.commands"


def test_every_command_is_there_in_its_order():
    assert re.findall(r"^## (.+)$", TEXT, re.MULTILINE) == list(LISTED)
    assert set(MADE) == set(LISTED)


@pytest.mark.parametrize("name", MADE)
def test_names_are_those_that_typer_knows(name):
    common = {f"--{one}" for one in _COMMON}
    shown = re.findall(r"^\| (`.*?`) \|", section_of(name), re.MULTILINE)
    options = {word for cell in shown for word in re.findall(r"`(--[\w-]+)`", cell)}
    known = [one for one in MADE[name].params if one.param_type_name == "option"]
    assert options | common == {word for one in known for word in (*one.opts, *one.secondary_opts)}
    arguments = [cell.strip("`") for cell in shown if not cell.startswith("`--")]
    named = [one for one in MADE[name].params if one.param_type_name == "argument"]
    assert arguments == [(one.metavar or one.name.upper()).strip("[]") for one in named]


def test_options_of_several_values_are_told_from_repeated_ones():
    assert find_several(LISTED["probe"]) == ("--fractions",)
    assert find_several(LISTED["export"]) == ()
    assert "| `--policies` | NAME or FILE, several at once |" in section_of("preview")
    assert "| `--where` | COLUMN=VALUE, several (repeated) |" in section_of("preview")


def test_a_row_tells_names_kind_default_and_help():
    parameters = inspect.signature(LISTED["prepare"].callback).parameters  # type: ignore[arg-type]
    assert write_row(parameters["encoding"]) == (
        "| `--format` | `auto`, `jpeg`, `png16`, `raw8`, `raw16` | `auto` | "
        f"{read_info(parameters['encoding']).help} |"
    )
    assert write_row(parameters["size"]).startswith("| `--size` | a whole number from 1 | `512` |")
    assert write_row(parameters["verify"]).startswith("| `--verify`, `--no-verify` |  |  |")
