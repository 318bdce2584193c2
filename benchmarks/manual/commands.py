"""Every command and option, from the source: `python -m benchmarks.manual.commands`.

Enters: the commands as their modules declare them. Leaves: the tables of `docs/cli.md`. They are
read off signatures, not off `--help`, whose words are those of one version of typer.
"""

from __future__ import annotations

import importlib
import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from typer.models import ArgumentInfo, CommandInfo

from benchmarks.row import REPOSITORY
from gca_dali.cli.common import _COMMON
from gca_dali.cli.main import COMMANDS

PAGE = REPOSITORY / "docs" / "cli.md"
MARK = re.compile(r"(<!-- (?P<list>common|commands) -->\n).*?(<!-- end -->)", re.DOTALL)
KINDS = {int: "a whole number", float: "a number", Path: "a path", str: "text", bool: ""}
HEAD = ["| | takes | default | |", "|---|---|---|---|"]


def walk_commands() -> Iterator[tuple[str, CommandInfo]]:
    """Yield what is typed, "gaze maps", and the command, in the order of `--help`."""
    for name, (module, _) in COMMANDS.items():
        commands = importlib.import_module(module).app.registered_commands
        for command in commands:
            inner = command.callback.__name__
            yield (name if len(commands) == 1 else f"{name} {inner}"), command


def write_command(name: str, command: CommandInfo) -> list[str]:
    """Return the section of a command."""
    parameters = inspect.signature(command.callback).parameters.values()  # type: ignore[arg-type]
    own = [one for one in parameters if one.name not in _COMMON]
    arguments = [one for one in own if isinstance(read_info(one), ArgumentInfo)]
    options = [one for one in own if one not in arguments]
    words = " ".join(map(tell_argument, arguments))
    told = escape(inspect.getdoc(command.callback) or "")
    usage = " ".join(filter(None, (f"gca-dali {name}", words, "[OPTIONS]" if options else "")))
    several = find_several(command)
    rows = [write_row(one, several) for one in arguments + options]
    return [f"## {name}", "", told, "", f"`{usage}`", "", *([*HEAD, *rows, ""] if rows else [])]


def read_info(parameter: inspect.Parameter) -> Any:
    """Return what typer is told of a parameter."""
    return parameter.annotation.__metadata__[0]


def tell_argument(parameter: inspect.Parameter) -> str:
    """Return an argument as it stands in a usage line."""
    word = (read_info(parameter).metavar or parameter.name.upper()).strip("[]")
    return word if parameter.default is inspect.Parameter.empty else f"[{word}]"


def find_several(command: CommandInfo) -> tuple[str, ...]:
    """Return the options that take several values at once; see `cli.several.take_several`."""
    parse: Any = vars(command.cls).get("parse_args") if command.cls else None
    return inspect.getclosurevars(parse).nonlocals["names"] if parse else ()


def write_row(parameter: inspect.Parameter, several: tuple[str, ...] = ()) -> str:
    """Return the row of an argument or option."""
    info = read_info(parameter)
    is_argument = isinstance(info, ArgumentInfo)
    names = [tell_argument(parameter).strip("[]")] if is_argument else name_options(parameter)
    takes = tell_kind(parameter)
    if "…" in takes:
        takes = takes.replace("…", "at once" if set(names) & set(several) else "(repeated)")
    cells = [", ".join(f"`{name}`" for name in names), takes, tell_default(parameter)]
    return f"| {' | '.join(cells)} | {escape(info.help or '')} |"


def name_options(parameter: inspect.Parameter) -> list[str]:
    """Return the names of an option; a switch without names of its own can be turned off."""
    info, name = read_info(parameter), parameter.name.replace("_", "-")
    # In an annotation typer takes the first name for a default, until it looks again.
    declared = [one for one in (info.default, *(info.param_decls or ())) if isinstance(one, str)]
    switch = [f"--{name}", f"--no-{name}"]
    return declared or (switch if read_kind(parameter) is bool else switch[:1])


def read_kind(parameter: inspect.Parameter) -> Any:
    """Return the type of a parameter without None."""
    kind = get_args(parameter.annotation)[0]
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (one for one in get_args(kind) if one is not type(None))
    return kind


def tell_kind(parameter: inspect.Parameter) -> str:
    """Return what a parameter takes; "…" stands behind what it takes several of."""
    info, kind = read_info(parameter), read_kind(parameter)
    metavar, least = info.metavar, "" if info.min is None else f" from {info.min}"
    if get_origin(kind) is list:
        word = (metavar or "VALUE").removesuffix(" ...")
        return f"{word.replace('|', ' or ')}, several …"
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    is_plain = isinstance(info, ArgumentInfo) or not metavar
    return KINDS[kind] + least if is_plain else metavar.replace("|", " or ")


def tell_default(parameter: inspect.Parameter) -> str:
    """Return what holds where nothing is said."""
    shown, value = read_info(parameter).show_default, parameter.default
    if isinstance(shown, str):
        return shown
    if value is inspect.Parameter.empty:
        return "required"
    if value is None or value is False:
        return ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def escape(text: str) -> str:
    """Return a text as Markdown shows it, also in a table."""
    return re.sub(r"([<*|\[\]])", r"\\\1", text)


def write_list(name: str) -> str:
    """Return one of the page's lists."""
    if name == "common":
        keyword = inspect.Parameter.KEYWORD_ONLY
        common = [
            inspect.Parameter(one, keyword, default=False, annotation=annotation)
            for one, annotation in _COMMON.items()
        ]
        return "\n".join([*HEAD, *map(write_row, common)]) + "\n"
    lines = (line for pair in walk_commands() for line in write_command(*pair))
    return "\n" + "\n".join(lines)


def fill(text: str) -> str:
    """Return the page with its lists made anew."""
    return MARK.sub(lambda found: found[1] + write_list(found["list"]) + found[3], text)


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
