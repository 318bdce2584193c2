"""The study: its arms differ as they say, its cells resume, its tables come from files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gca_dali.common.state import read_state
from gca_dali.gaze.network import NetworkConfig
from gca_dali.gaze.training import FitSettings
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.ssl.run import PretrainRun
from study_of_views import PLAN, load_module, write_config, write_predictor

arms, crops, results = (load_module(name) for name in ("arms", "crops", "results"))
datasets, study, summary = (load_module(name) for name in ("datasets", "study", "summary"))
config = load_module("study_config").StudyConfig
NUM = 200


@pytest.fixture(scope="module")
def gaze() -> np.ndarray:
    """A joint line somewhere near the middle of each of 200 maps."""
    rng = np.random.default_rng(0)
    y, x = rng.uniform(24, 40, (2, NUM, 1, 1))
    v, u = np.mgrid[:64, :64]
    blob = np.exp(-((v - y) ** 2 / 18 + (u - x) ** 2 / 450))
    return np.rint(255 * blob / blob.max((1, 2), keepdims=True)).astype(np.uint8)


@pytest.fixture(scope="module")
def shapes() -> np.ndarray:
    return np.full((NUM, 2), 224, np.int32)


# Arms


def _policy(name: str, gaze: np.ndarray, shapes: np.ndarray) -> ViewPolicy:
    return arms.build_policy(name, gaze, shapes, 0.5)


def test_every_arm_can_be_built_and_mirrors_as_the_data_allow(gaze, shapes):
    for name in arms.POLICIES:
        policy = arms.fit_size(arms.build_policy(name, gaze, shapes, 0.0), 64)
        assert policy.size == 64 and {group.flip for group in policy.groups} == {0.0}


def test_operators_alone_and_together_are_those_of_gca(gaze, shapes):
    gca, random = ViewPolicy.gca(), ViewPolicy.random()
    for name, parts in arms.OPERATORS.items():
        policy = _policy(name, gaze, shapes)
        for part in ("crop", "cutout", "appearances"):
            source = gca if part in parts else random
            found, wanted = (getattr(one.groups[0], part) for one in (policy, source))
            assert found == wanted, (name, part)


def test_gaze_in_globals_alone_is_gca_dino_with_its_groups_laws_exchanged(gaze, shapes):
    large, small = _policy("gca_globals", gaze, shapes).groups
    other_large, other_small = ViewPolicy.gca_dino().groups
    laws = [(group.crop.law, group.crop.focus) for group in (large, small)]
    assert laws == [("relative", True), ("free", False)]
    for group, other in ((large, other_large), (small, other_small)):
        assert (group.size, group.crop.size_range) == (other.size, other.crop.size_range)


def test_names_of_arms_are_checked():
    assert arms.split_name("crop@mean") == ("crop", "mean")
    assert arms.split_name("gca") == ("gca", "predicted")
    with pytest.raises(ValueError, match=r"arm must be one of .*, got 'gaca'"):
        arms.split_name("gaca@mean")
    with pytest.raises(ValueError, match=r"map of gca@men must be one of .*, got 'men'"):
        arms.split_name("gca@men")


def test_shuffled_gaze_is_a_permutation_without_a_fixed_point(gaze):
    shuffled = arms.choose_maps("shuffled", gaze)
    keys = [m.tobytes() for m in gaze]
    others = [m.tobytes() for m in shuffled]
    assert sorted(keys) == sorted(others)
    assert all(one != other for one, other in zip(keys, others, strict=True))


def test_area_matched_windows_are_as_large_as_those_of_gca_hold(gaze, shapes):
    policy = _policy("random_matched", gaze, shapes)
    policies = (policy, ViewPolicy.gca_hold())
    areas = [crops.draw_windows(one, gaze, shapes).area().mean() for one in policies]
    assert areas[0] == pytest.approx(areas[1], abs=0.01)
    plain = crops.draw_windows(ViewPolicy.random(), gaze, shapes).area().mean()
    assert areas[1] - plain > 0.02


def test_blur_shrinks_with_the_view():
    (group,) = arms.fit_size(ViewPolicy.random(), 112).groups
    assert group.size == 112 and group.appearances[0].blur.strength == (0.05, 1.0)
    assert arms.fit_size(ViewPolicy.random(), 224) == ViewPolicy.random()
    large, small = arms.fit_size(ViewPolicy.gca_dino(), 112).groups
    assert (large.size, small.size) == (112, 48)
    strengths = [look.blur.strength for look in (*large.appearances, *small.appearances)]
    assert strengths == [(0.05, 1.0)] * 3


# Crop statistics


def test_share_of_gaze_by_hand():
    gaze = np.array([[[4, 0], [0, 12]]], np.uint8)
    windows = 256 * np.array([[[0, 0, 2, 2], [0, 0, 1, 1], [1, 0, 2, 2]]])
    windows = np.concatenate([windows, [[[0, 0, 128, 256]]]], axis=1)
    assert crops.share_of_gaze(gaze, windows).tolist() == [[1.0, 0.25, 0.75, 0.125]]


def test_statistics_agree_with_the_loader_s_own(gaze, shapes):
    policy = ViewPolicy.gca_hold()
    plan = crops.plan_windows(policy, gaze, shapes, (3, 0))
    assert crops.share_of_gaze(gaze, plan.windows) == pytest.approx(plan.retained, abs=1e-5)
    found = crops.describe_crops(arms.Arm(policy, gaze), gaze, shapes, 3)
    assert found["retained"] >= policy.groups[0].crop.tau and found["below_0.9"] == 0
    random = crops.describe_crops(arms.Arm(ViewPolicy.random(), None), gaze, shapes, 3)
    assert random["below_0.9"] > 0.1 and random["area"] < found["area"]


# Runner


def test_a_study_stops_resumes_and_makes_its_tables(phantom_folder: Path, tmp_path: Path, capsys):
    path = write_config(tmp_path)
    options = ["--predictor", str(write_predictor(tmp_path)), "--work", str(tmp_path / "work")]
    folder = tmp_path / "study_tiny"
    labels = ["--labels", str(phantom_folder / "labels.csv")]
    command = [str(path), *labels, *options, "--results", str(folder)]
    assert study.main([*command, "--minutes", "0"]) == 3
    assert not list(folder.glob("*-*.json"))
    assert study.main(command) == 0
    names = {path.stem for path in folder.glob("*-*.json")}
    assert names == {"untrained-none-0", "random-simclr-0", "crop@shuffled-simclr-0"}
    report = json.loads((folder / "crop@shuffled-simclr-0.json").read_text())
    assert report["settings"]["gaze"]["simulated"] is True
    assert report["pretraining"]["num_steps"] == 6 and report["crops"]["grown"] == 0
    assert set(report["linear"]) == {"0.5", "1"} and report["seconds"]["pretraining"]["wall"] > 0
    images = json.loads((folder / "test_images.json").read_text())
    guess = report["linear"]["1"]["guess"]
    correct = np.mean([a == b for a, b in zip(guess, images["grade"], strict=True)])
    assert correct == pytest.approx(report["linear"]["1"]["accuracy"])
    assert len(report["linear"]["1"]["positive"]) == 4 * len(guess) and images["positive"] == 2

    capsys.readouterr()
    assert study.main(command) == 0
    assert "0 cells to do" in capsys.readouterr().out
    tables = summary.make_tables(results.Results.read(folder), config.read(path), PLAN)
    assert set(tables) == {f"tiny {name}" for name in ("planned", "values", "differences", "facts")}
    assert "`crop@shuffled` − `random`" in tables["tiny planned"]
    assert "Not run yet: `gca` − `random`." in tables["tiny planned"]
    assert [tables[f"tiny {name}"].count("\n") for name in ("values", "differences")] == [4, 3]
    assert tables["tiny facts"].startswith("3 of 3 cells, ")
    text = summary.fill("<!-- table: t -->\nold\n<!-- end -->\n", {"t": "new"})
    assert text == "<!-- table: t -->\nnew\n<!-- end -->\n"

    path_of_cell = folder / "random-simclr-0.json"
    report = json.loads(path_of_cell.read_text())
    report["preset"]["temperature"] = 0.3
    path_of_cell.write_text(json.dumps(report))
    with pytest.raises(
        ValueError, match=r"preset of .*random-simclr-0.json must be that of the study"
    ):
        study.main(command)

    write_config(tmp_path, num_epochs=3)
    with pytest.raises(ValueError, match=r"num_epochs of .* must be that of the study, 3, got 2"):
        study.main(command)
    # Without the results, what was kept of the work would be told as that of the new settings.
    folder.rename(tmp_path / "away")
    with pytest.raises(ValueError, match="work must be begun with the settings of the study, got"):
        study.main(command)


def test_a_cell_goes_on_from_its_checkpoint(phantom_folder: Path, tmp_path: Path, monkeypatch):
    cells = load_module("cells")
    path = write_config(tmp_path, arms=["gca"], fractions=[1.0])
    predictor = str(write_predictor(tmp_path))
    labels = ["--labels", str(phantom_folder / "labels.csv")]

    def run(name: str) -> int:
        places = ["--work", str(tmp_path / name), "--results", str(tmp_path / f"study_{name}")]
        return study.main([str(path), *labels, "--predictor", predictor, *places])

    assert run("whole") == 0
    step = PretrainRun.train_on

    def stop_at_four(self, batch):
        if self.step == 3:
            monkeypatch.setattr(cells.Study, "is_over", True)
        return step(self, batch)

    monkeypatch.setattr(PretrainRun, "train_on", stop_at_four)
    assert run("parts") == 3
    monkeypatch.undo()
    assert run("parts") == 0
    whole, parts = (
        json.loads((tmp_path / f"study_{name}" / "gca-simclr-0.json").read_text())
        for name in ("whole", "parts")
    )
    states = [
        read_state(tmp_path / name / "tiny" / "gca-simclr-0" / "last.safetensors")["module"]
        for name in ("whole", "parts")
    ]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert whole["linear"] == parts["linear"] and whole["crops"] == parts["crops"]


def test_phantoms_and_their_predictor_are_made_once_and_read_back(tmp_path: Path):
    network = NetworkConfig(decoder_channels=(32, 24, 16), input_px=64, map_px=16)
    fit = FitSettings(network, num_epochs=1)
    data = datasets.open_phantoms(0, tmp_path, (20, 10), fit)
    assert (len(data.manifest), len(data.rows)) == (20, 16) and data.flip == 0.0
    assert data.facts["simulated"] and "cc" in data.facts["predictor_scores"]["predictor"]
    for kind in arms.MAPS:
        assert data.maps(kind).shape == (16, 64, 64)
    # His own maps have their peaks on the lesions, which an unfitted predictor does not know.
    assert not np.array_equal(data.maps("reader"), data.maps("predicted"))
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = datasets.open_phantoms(0, tmp_path, (20, 10), fit)
    assert np.array_equal(again.predicted, data.predicted) and again.facts == data.facts
    assert times == {
        path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()
    }


def test_a_config_with_an_unknown_name_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"arm must be one of .*, got 'gaca'"):
        config(name="x", data="knees", arms=("gaca",))
    with pytest.raises(ValueError, match=r"data must be one of .*, got 'hips'"):
        config(name="x", data="hips", arms=("gca",))
    with pytest.raises(ValueError, match=r"must hold only .*, got epochs\. Correct the name"):
        config.read(write_config(tmp_path, epochs=3))


def test_committed_configs_are_read_and_have_what_is_planned():
    folder = load_module("row").REPOSITORY / "benchmarks" / "study"
    plan = json.loads((folder / "plan.json").read_text())
    for path in folder.glob("*.json"):
        if path.stem not in ("plan", "published"):
            one = config.read(path)
            cells = [cell.name for cell in one.cells()]
            assert one.name == path.stem.removesuffix("_more") and len(set(cells)) == len(cells)
    for name in ("knees", "phantoms"):
        one = config.read(folder / f"{name}.json")
        for pair in plan["comparisons"]:
            assert {pair["arm"], pair["against"]} <= set(one.arms)
        assert list(one.seeds) == plan["seeds"] and plan["method"] in one.methods
        more = config.read(folder / f"{name}_more.json")
        assert not set(one.arms) & set(more.arms) and set(more.seeds) <= set(one.seeds)
        # They are compared with each other, so nothing else may differ.
        beside = {"arms": more.arms, "seeds": more.seeds}
        assert replace(one, **beside) == more
