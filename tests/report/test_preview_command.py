"""`gca-dali preview`: the file it writes, what it tells, bad input is one line."""

from __future__ import annotations

import json
import re

import pytest
from PIL import Image
from typer.testing import CliRunner

from gca_dali.cli.main import app
from gca_dali.data.manifest import Manifest
from gca_dali.phantoms import write_phantoms
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.report.preview.style import describe_policy


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    return write_phantoms(
        tmp_path_factory.mktemp("phantoms"), 6, kind="knee", height=120, width=160
    )


def run(*arguments: object):
    return CliRunner().invoke(app, ["preview", *map(str, arguments)])


@pytest.mark.parametrize("saliency", ["boxes", "centre", "mean", "maps"])
def test_command_writes_a_picture(phantoms, tmp_path, saliency):
    out = tmp_path / "out.png"
    source = phantoms / "maps" if saliency == "maps" else saliency
    arguments = ["--saliency", source, "--boxes", phantoms / "boxes.csv", "--num-images", 2]
    result = run(phantoms / "labels.csv", *arguments, "--size", 32, "--out", out, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told == {"out": str(out), "images": told["images"], "refused": []}
    assert len(told["images"]) == 2
    assert Image.open(out).mode == "RGB"


def test_simulated_gaze_is_called_so(phantoms, tmp_path):
    out = tmp_path / "out.html"
    arguments = ("--saliency", phantoms / "maps", "--out", out, "--policy", "gca_hold")
    result = run(phantoms / "labels.csv", *arguments, "--set", "tau=0.85")
    assert result.exit_code == 0, result.stderr
    assert "simulated gaze" in out.read_text()
    assert "each window keeps at least 85 % of the saliency" in out.read_text()


def test_promises_are_told_of_each_group():
    told = describe_policy(ViewPolicy.gca_dino(), "gaze")
    relative = "each window holds at least 90 % of the most that its size could"
    assert told == f"gaze   ·   views 3 to 10: {relative}, around a shared attended point"
    assert describe_policy(ViewPolicy.gca_focus(), "") == "windows around a shared attended point"
    assert describe_policy(ViewPolicy.random(), "no saliency") == "no saliency"


def test_file_that_turned_bad_is_named_and_replaced(tmp_path):
    folder = write_phantoms(tmp_path, 3, height=64, width=64)
    source = tmp_path / "manifest.parquet"
    Manifest.from_folder(folder / "images").save(source)
    victim = next((folder / "images").iterdir())
    names = sorted(path.name for path in (folder / "images").iterdir())
    (folder / "images" / names[0]).write_bytes(b"no longer an image")
    result = run(source, "--num-images", 2, "--size", 32, "--out", tmp_path / "a.png", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["images"] == [names[2], names[1]]
    assert [item["path"] for item in told["refused"]] == [names[0]]
    assert re.search("not|no", told["refused"][0]["reason"])
    for name in names:
        (victim.parent / name).unlink()
    result = run(source, "--size", 32, "--out", tmp_path / "a.png")
    assert result.exit_code == 1
    assert "must hold an image that can be read, got none of 3" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{x}/nowhere"], 1, "must be an existing folder"),
        (["{x}/images", "--out", "a.jpg"], 1, "out must end in .png or .html, got a.jpg"),
        (["{x}/images", "--num-images", "0"], 1, "num_images must be 1 to 100, got 0"),
        (["{x}/images", "--set", "num_views=0"], 2, "num_views must be at least 1, got 0"),
        (["{x}/images", "--policy", "gac"], 2, "Did you mean gca?"),
        (["{x}/images", "--saliency", "none"], 1, "saliency must be given for a policy"),
        (["{x}/images", "--saliency", "mean"], 1, "--saliency mean must come with --boxes"),
        (["{x}/images", "--saliency", "boxes"], 2, "needs --boxes"),
        (["{x}/images", "--size", "0"], 2, "--size"),
    ],
)
def test_bad_input_is_one_line(phantoms, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    result = run(*(argument.format(x=phantoms) for argument in arguments))
    assert result.exit_code == code
    assert words in result.stderr
    if code == 1:
        assert result.stderr.count("\n") == 1
