"""The gaze commands end to end on phantoms: simulate, maps, fit, evaluate, predict."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gca_dali.cli.gaze import app
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.map_folder import MapFolder
from gca_dali.gaze.predicted import PredictedTable, table_path
from gca_dali.phantoms import write_phantoms
from gca_dali.steps.saliency import load_saliency


def run(*arguments: object) -> dict:
    result = CliRunner().invoke(app, [str(a) for a in arguments] + ["--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def fail(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    return write_phantoms(folder, 14, kind="chest", height=96, width=96)


@pytest.fixture(scope="module")
def maps(phantoms: Path) -> Path:
    csv = phantoms.parent / "simulated.csv"
    found = run(
        "simulate",
        phantoms / "labels.csv",
        "--reader",
        "boxes",
        "--boxes",
        phantoms / "boxes.csv",
        "--out",
        csv,
    )
    assert found["simulated"] and found["images"] == 14
    out = phantoms.parent / "simulated_maps"
    found = run("maps", csv, phantoms / "labels.csv", "--out", out, "--map-size", 48)
    assert found["maps"] == 14 and found["simulated"] and found["unmatched"] == []
    return out


@pytest.fixture(scope="module")
def predictor(phantoms: Path, maps: Path) -> Path:
    out = phantoms.parent / "p.safetensors"
    found = run(
        "fit",
        phantoms / "labels.csv",
        "--maps",
        maps,
        "--out",
        out,
        "--epochs",
        1,
        "--batch-size",
        4,
        "--input-px",
        64,
        "--data",
        "Phantoms.",
        "--device",
        "cpu",
    )
    assert found["simulated"] and found["num_maps"] == 12
    return out


def test_maps_and_their_index(maps: Path) -> None:
    folder = MapFolder.open(maps)
    assert folder.simulated and len(folder) == 14
    assert folder.facts["normalisation"] == "sum 1"
    assert folder.load("images/chest_000003.png").shape == (48, 48)
    assert (maps / "fixations.csv").is_file()


def test_phantom_recording_becomes_maps_too(phantoms: Path, tmp_path: Path) -> None:
    found = run(
        "maps",
        phantoms / "fixations.csv",
        phantoms / "labels.csv",
        "--out",
        tmp_path,
        "--sigma",
        5,
        "--sigma-unit",
        "px",
    )
    assert found["maps"] == 14


def test_fit_writes_card_and_curve(predictor: Path) -> None:
    assert "simulated gaze" in predictor.with_suffix(".md").read_text()
    assert predictor.with_suffix(".png").is_file()
    assert not predictor.with_name("p.state.safetensors").exists()


def test_evaluate_and_scores_per_image(phantoms: Path, maps: Path, predictor: Path) -> None:
    out = phantoms.parent / "scores.csv"
    found = run(
        "evaluate",
        predictor,
        phantoms / "labels.csv",
        "--where",
        "split=test",
        "--maps",
        maps,
        "--out",
        out,
        "--device",
        "cpu",
    )
    assert list(found["scores"]) == ["predictor", "mean map", "centre"]
    assert len(found["scores"]["predictor"]) == 7
    lines = out.read_text().splitlines()
    assert len(lines) == 1 + found["num_images"] and lines[0].startswith("path,predictor cc")
    shown = fail("evaluate", predictor, phantoms / "labels.csv", "--maps", maps)
    assert shown[0] == 0 and "14 images, simulated gaze" in shown[1]


def test_predict_writes_maps_that_do_not_depend_on_the_rows(
    phantoms: Path, predictor: Path, tmp_path: Path
) -> None:
    everything = run("predict", predictor, phantoms / "labels.csv", "--out", tmp_path / "all")
    assert everything["maps"] == 14 and everything["refused"] == []
    run(
        "predict",
        predictor,
        phantoms / "labels.csv",
        "--where",
        "split=test",
        "--out",
        tmp_path / "test",
    )
    all_maps, some = MapFolder.open(tmp_path / "all"), MapFolder.open(tmp_path / "test")
    assert 0 < len(some) < 14 and some.facts["predictor"] == everything["fingerprint"]
    for path in some.files:
        np.testing.assert_array_equal(some.load(path), all_maps.load(path))


def test_predict_without_a_folder_fills_the_table_of_the_loader(
    phantoms: Path, predictor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GCA_DALI_CACHE", str(tmp_path))
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    for num_predicted in (14, 0):
        found = run("predict", predictor, phantoms / "labels.csv", "--device", "cpu")
        assert (found["maps"], found["predicted_now"]) == (14, num_predicted)
        assert found["simulated"]
    table = load_saliency(predictor, manifest)
    assert isinstance(table, PredictedTable)
    assert Path(found["out"]) == table_path(table.predictor, manifest)
    assert len(table.missing(np.arange(14))) == 0


def test_simulated_knees(phantoms: Path, tmp_path: Path) -> None:
    found = run("simulate", phantoms / "labels.csv", "--out", tmp_path / "k.csv", "--seed", 3)
    assert found["num_rows"] >= 14 * 18 and found["simulated"]


def test_bad_usage_is_one_line(phantoms: Path, tmp_path: Path) -> None:
    labels = phantoms / "labels.csv"
    code, text = fail("simulate", labels, "--reader", "boxes", "--out", tmp_path / "a.csv")
    assert code == 2 and "--reader boxes and --boxes CSV go together" in text
    code, text = fail("simulate", labels, "--out", tmp_path / "a.txt")
    assert code == 2 and "must end in .csv" in text
    code, text = fail("fit", labels, "--maps", tmp_path, "--out", tmp_path / "p.pt")
    assert code == 2 and "must end in .safetensors" in text
    code, text = fail("fit", labels, "--maps", tmp_path, "--out", tmp_path / "p.safetensors")
    assert code == 1 and "maps must be a folder with index.json" in text
    code, text = fail("simulate", labels, "--study", "--out", tmp_path / "a.csv")
    assert code == 1 and "must have at least 154 training rows" in text
