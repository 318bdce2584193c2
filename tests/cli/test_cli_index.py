"""gca-dali index, and the frame that all commands hang in."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gca_dali.cli import main as cli_main
from gca_dali.cli.main import app
from gca_dali.data.manifest import Manifest
from make_images import put_csv, put_images


@pytest.fixture
def xrays(tmp_path):
    root = put_images(tmp_path / "xrays", "cat/1.png", "dog/1.png", "dog/2.png")
    (root / "dog" / "note.png").write_text("not an image")
    return root


def call(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Run the command line as the console script does."""
    monkeypatch.setattr(sys, "argv", ["gca-dali", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli_main.main()
    out, error = capsys.readouterr()
    return int(caught.value.code or 0), out, error


def test_json_follows_the_contract(xrays):
    result = CliRunner().invoke(app, ["index", str(xrays), "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["rows"] == 3
    assert [item["path"] for item in found["refused"]] == ["dog/note.png"]
    assert "not an image" in found["refused"][0]["reason"]
    assert set(found) == {"rows", "refused"}
    assert set(found["refused"][0]) == {"path", "reason"}


def test_person_sees_counts_and_reasons(xrays):
    result = CliRunner().invoke(app, ["index", str(xrays)])
    assert result.exit_code == 0
    for words in ("3 in", "png: 3", "8: 3", "cat: 1, dog: 2", "dog/note.png", "not an image"):
        assert words in result.stdout


def test_long_list_of_refused_files_is_cut_and_counted(xrays):
    for number in range(30):
        (xrays / f"{number}.png").write_bytes(b"")
    result = CliRunner().invoke(app, ["index", str(xrays)])
    assert "and 11 more: --json names them all" in result.stdout


def test_out_saves_the_manifest(xrays, tmp_path):
    path = tmp_path / "manifest.parquet"
    result = CliRunner().invoke(app, ["index", str(xrays), "--out", str(path)])
    assert result.exit_code == 0
    assert Manifest.open(path).fingerprint == Manifest.from_folder(xrays).fingerprint
    result = CliRunner().invoke(app, ["index", str(path), "--json"])
    assert json.loads(result.stdout)["rows"] == 3


def test_labels_come_from_a_csv(xrays, tmp_path):
    csv = put_csv(tmp_path, "path,label\nxrays/cat/1.png,wild\nxrays/dog/1.png,tame\n")
    out = str(tmp_path / "manifest.parquet")
    result = CliRunner().invoke(app, ["index", str(xrays), "--labels", str(csv), "--out", out])
    assert result.exit_code == 0
    assert Manifest.open(out).classes == ("tame", "wild")
    assert "none: 1" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["index", "{folder}/nowhere"], 1, "source must be an existing folder"),
        (["index", "{folder}/empty"], 1, "root must hold at least one readable image"),
        (["index", "{folder}/nowhere.csv"], 1, "csv must be an existing file"),
        (["index", "{folder}/bad.csv"], 1, "got the columns file, label"),
        (["index", "{folder}/gone.csv"], 1, "no such file"),
        (["index", "{folder}", "--labels", "{folder}/nowhere.csv"], 1, "csv must be an existing"),
        (["index", "{folder}", "--out", "{folder}/x.csv"], 1, "path must end in .parquet"),
        (["index"], 2, "Missing argument 'SRC'. See gca-dali --help."),
        (["index", "{folder}", "--bogus"], 2, "No such option: --bogus"),
        (["bogus"], 2, "No such command 'bogus'. See gca-dali --help."),
    ],
)
def test_bad_input_is_one_line_on_stderr(monkeypatch, capsys, tmp_path, arguments, code, words):
    put_images(tmp_path, "a.png")
    (tmp_path / "empty").mkdir()
    put_csv(tmp_path, "file,label\na.png,1\n", "bad.csv")
    put_csv(tmp_path, "path\nb.png\n", "gone.csv")
    filled = [argument.format(folder=tmp_path) for argument in arguments]
    found, out, error = call(monkeypatch, capsys, *filled)
    assert (found, out) == (code, "")
    assert words in error
    assert error.startswith("gca-dali: ")
    assert error.count("\n") == 1


def test_without_a_command_the_help_is_shown(monkeypatch, capsys):
    code, out, error = call(monkeypatch, capsys)
    assert (code, out) == (2, "")
    for name in cli_main.COMMANDS:
        assert name in error


def test_help_and_version(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "--help")
    assert code == 0
    assert all(text in out for _, text in cli_main.COMMANDS.values())
    assert call(monkeypatch, capsys, "--version")[:2] == (0, "gca-dali 0.1.0\n")


@pytest.mark.parametrize("name", cli_main.COMMANDS)
def test_every_command_explains_itself(monkeypatch, capsys, name):
    code, out, _ = call(monkeypatch, capsys, name, "--help")
    assert code == 0
    assert out.startswith(f"Usage: gca-dali {name} ")


def test_module_runs_as_a_program(xrays):
    program = [sys.executable, "-m", "gca_dali.cli.main", "index", str(xrays), "--json"]
    child = subprocess.run(program, capture_output=True, text=True, check=True)
    assert json.loads(child.stdout)["rows"] == 3
    assert child.stderr == ""
