"""The demo: the whole chain in one command, shortened here to a few steps."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from gca_dali.cli.main import app
from gca_dali.report import audit as audit_module
from gca_dali.report import demo as demo_module


@pytest.fixture(autouse=True)
def shortened(monkeypatch):
    for name, value in (("NUM_IMAGES", 8), ("BATCH_SIZE", 4), ("VIEW_PX", 32), ("NUM_STEPS", 3)):
        monkeypatch.setattr(demo_module, name, value)
    for name, value in (("NUM_RECORDINGS", 48), ("NUM_FIT_EPOCHS", 8), ("FIT_INPUT_PX", 64)):
        monkeypatch.setattr(demo_module, name, value)
    monkeypatch.setattr(audit_module, "NUM_DRAWS", 500)


def run(*arguments: object):
    return CliRunner().invoke(app, ["demo", *map(str, arguments)])


def test_json_tells_of_every_link_of_the_chain(tmp_path):
    out = tmp_path / "deep" / "demo"
    result = run("--out", out, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["preview"] == str(out / "preview.png")
    assert Image.open(out / "preview.png").width > 1000
    assert len(list((out / "phantoms" / "images").iterdir())) == found["images"] == 8
    assert found["saliency"].startswith("simulated gaze: predicted, learned from 48 recordings")
    assert found["predictor"]["seconds"] > 0 and 0 < found["predictor"]["cc"] < 1
    assert found["images_per_second"] > 0
    assert 0.5 <= found["kept_mass"] <= 1.0
    assert found["lesions_kept"]["gca"] > found["lesions_kept"]["random"]
    assert found["pairs_share"]["gca"] > found["pairs_share"]["random"]
    assert found["mean_area"]["gca"] == pytest.approx(found["mean_area"]["random"], abs=0.02)
    assert found["loss"]["steps"] == 3
    assert 0 < found["loss"]["last"] < 10


def test_second_run_writes_over_the_first_and_strangers_stay(tmp_path):
    (tmp_path / "phantoms" / "images").mkdir(parents=True)
    (tmp_path / "phantoms" / "images" / "mine.png").write_bytes(b"precious")
    result = run("--out", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "mine.png" in result.stderr
    assert (tmp_path / "phantoms" / "images" / "mine.png").read_bytes() == b"precious"


def test_without_a_folder_only_the_picture_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run()
    assert result.exit_code == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["preview.png"]
    for words in ("simulated gaze", "images/s", "by random crops", "loss", "preview.png"):
        assert words in result.stdout
