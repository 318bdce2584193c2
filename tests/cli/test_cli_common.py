"""What every command shares: one JSON object, one line of error, grouped options."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from gca_dali.cli.common import (
    MachineOptions,
    Report,
    SourceOptions,
    ViewOptions,
    command,
    make_app,
    parse_where,
)
from gca_dali.cli.errors import describe_error
from make_images import put_images


def run(function, *arguments: str):
    app = make_app()
    command(app)(function)
    return CliRunner().invoke(app, list(arguments))


@dataclass(frozen=True)
class Shape:
    height: Annotated[int, typer.Option(min=1)] = 2
    width: Annotated[int, typer.Option()] = 3

    def __post_init__(self) -> None:
        if self.height > self.width:
            raise ValueError(f"height must be at most the width, got {self.height}. Turn it.")


def area(name: str, shape: Shape, scale: float = 1.0) -> Report:
    return Report({"name": name, "area": shape.height * shape.width * scale}, f"area of {name}")


def test_person_sees_the_report_and_a_program_one_json_object():
    assert run(area, "box", "--height", "3").stdout == "area of box\n"
    result = run(area, "box", "--height", "3", "--scale", "2", "--json")
    assert json.loads(result.stdout) == {"name": "box", "area": 18.0}
    assert result.exit_code == 0


def test_grouped_options_are_checked_at_birth():
    result = run(area, "box", "--height", "4")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "gca-dali: height must be at most the width, got 4. Turn it.\n"
    assert run(area, "box", "--height", "0").exit_code == 2
    assert run(area).exit_code == 2


def chatty() -> Report:
    print("a library says hello")
    return Report({"done": True}, "done")


def test_what_libraries_print_does_not_spoil_the_json():
    result = run(chatty, "--json")
    assert json.loads(result.stdout) == {"done": True}
    assert "hello" in result.stderr


def numbers() -> Report:
    values = {
        "mean": np.float32(0.5),
        "nothing": float("nan"),
        "many": np.array([1, 2]),
        "pair": (np.int64(1), {"path": Path("a")}),
        3: np.bool_(True),
    }
    return Report(values, "")


def test_json_holds_plain_values_only():
    assert json.loads(run(numbers, "--json").stdout) == {
        "mean": 0.5,
        "nothing": None,
        "many": [1, 2],
        "pair": [1, {"path": "a"}],
        "3": True,
    }


def quiet() -> None:
    return None


def test_command_that_returns_nothing_prints_nothing():
    assert run(quiet).output == ""
    assert run(quiet, "--json").output == ""


def broken() -> Report:
    raise KeyError("deep inside")


def stopped() -> Report:
    raise KeyboardInterrupt


def test_unforeseen_error_is_one_line_and_a_traceback_on_demand():
    result = run(broken)
    assert result.exit_code == 1
    assert result.stderr == "gca-dali: KeyError: 'deep inside' (--debug shows where)\n"
    result = run(broken, "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "in broken" in result.stderr


def test_interrupt_has_its_own_exit_code():
    result = run(stopped)
    assert result.exit_code == 130
    assert result.stderr == "gca-dali: interrupted\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (RuntimeError(), "RuntimeError"),
        (FileNotFoundError(2, "No such file or directory", "x"), "x: No such file or directory"),
        (
            ModuleNotFoundError("No module named 'nvidia.dali'", name="nvidia.dali"),
            "nvidia.dali must be installed. Run pip install 'gca_dali[cuda12]'.",
        ),
        (ModuleNotFoundError("No module named 'x'", name="x"), "No module named 'x'"),
        (ValueError("x" * 1000), "x" * 599 + "…"),
    ],
)
def test_errors_in_one_line(error, line):
    assert describe_error(error) == line


def test_conditions_of_where():
    assert parse_where(["split=train", "label=3", "label=4", "note=a=b"]) == {
        "split": ["train"],
        "label": ["3", "4"],
        "note": ["a=b"],
    }
    for wrong in ("split", "=train"):
        with pytest.raises(typer.BadParameter, match=f"must be COLUMN=VALUE, got {wrong}"):
            parse_where([wrong])


def count(source: SourceOptions, views: ViewOptions, machine: MachineOptions) -> Report:
    manifest = source.open()
    return Report(
        {"rows": len(manifest), "size": views.make_policy().size, "device": machine.device},
        f"{len(manifest)} rows",
    )


def test_source_options_open_and_select(tmp_path):
    put_images(tmp_path, "cat/1.png", "dog/1.png", "dog/2.png")
    result = run(count, str(tmp_path), "--where", "label=dog", "--json")
    assert json.loads(result.stdout) == {"rows": 2, "size": 224, "device": "auto"}
    result = run(count, str(tmp_path), "--where", "label=cow")
    assert result.exit_code == 1
    assert "label must be one of cat, dog, got ['cow']" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--where", "label"],
        ["--saliency", "boxes"],
        ["--device", "tpu"],
        ["--size", "0"],
        ["--batch-size", "0"],
        ["--seed", "-1"],
        ["--nonsense"],
    ],
)
def test_bad_usage_is_exit_code_2(tmp_path, arguments):
    put_images(tmp_path, "a.png")
    assert run(count, str(tmp_path), *arguments).exit_code == 2
