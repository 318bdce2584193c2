"""The knee study: its arms differ as they say, its cells resume, its tables come from files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gca_dali.common.state import read_state
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.ssl.run import PretrainRun
from knee_study import load_module, write_config, write_predictor

arms, crops, results = (load_module(name) for name in ("arms", "crops", "results"))
study, summary = load_module("study"), load_module("summary")
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


def test_every_arm_can_be_built(gaze, shapes):
    for name in arms.ARMS[1:]:
        arm = arms.build_arm(name, gaze, shapes, 64)
        assert arm.policy.size == 64
        assert (arm.maps is not None) == arm.policy.reads_saliency, name


def test_operators_alone_and_together_are_those_of_gca(gaze, shapes):
    gca, random = ViewPolicy.gca(), ViewPolicy.random()
    for name, parts in arms.OPERATORS.items():
        policy = arms.build_arm(name, gaze, shapes, 224).policy
        for part in ("crop", "cutout", "appearances"):
            source = gca if part in parts else random
            found, wanted = (getattr(one.groups[0], part) for one in (policy, source))
            assert found == wanted, (name, part)


def test_shuffled_gaze_is_a_permutation_without_a_fixed_point(gaze):
    shuffled = arms.choose_maps("shuffled", gaze)
    keys = [m.tobytes() for m in gaze]
    others = [m.tobytes() for m in shuffled]
    assert sorted(keys) == sorted(others)
    assert all(one != other for one, other in zip(keys, others, strict=True))


def test_area_matched_windows_are_as_large_as_those_of_gca_hold(gaze, shapes):
    policy = arms.build_arm("random_matched", gaze, shapes, 224).policy
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


def test_remedies_make_the_windows_smaller(gaze, shapes):
    areas = {}
    for name in ("gca_hold", *arms.REMEDIES):
        arm = arms.build_arm(name, gaze, shapes, 64)
        areas[name] = crops.draw_windows(arm.policy, arm.maps, shapes).area().mean()
    assert all(areas[name] < areas["gca_hold"] - 0.02 for name in arms.REMEDIES), areas
    cut = arms.choose_maps("gca_peaks", gaze)
    assert (
        cut.max() == 255 and cut[cut > 0].min() >= 0.4 * 255 and (cut > 0).sum() < (gaze > 0).sum()
    )


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
    found = crops.describe_crops(policy, gaze, gaze, shapes, 3)
    assert found["retained"] >= policy.groups[0].crop.tau and found["below_0.9"] == 0
    random = crops.describe_crops(ViewPolicy.random(), None, gaze, shapes, 3)
    assert random["below_0.9"] > 0.1 and random["area"] < found["area"]


# Estimates


def _cell(arm: str, seed: int, guess: str) -> dict:
    return {"arm": arm, "method": "byol", "seed": seed, "linear": {"1": {"guess": guess}}}


def test_estimates_pair_seeds_and_patients():
    grade = "01234" * 40
    wrong = "11234" * 40
    cells = [_cell("random", 0, wrong), _cell("gca", 0, grade), _cell("gca", 1, wrong)]
    found = results.Results(cells, np.array(list(map(int, grade))), np.arange(200) // 2)
    mine = found.estimate("accuracy", "gca", "byol", ("linear", "1"))
    assert (mine.value, mine.num_seeds) == (0.9, 2)
    paired = found.estimate("accuracy", "gca", "byol", ("linear", "1"), "random")
    assert paired.num_seeds == 1 and paired.value == pytest.approx(0.2)
    assert 0.1 < paired.low < 0.2 < paired.high < 0.3 and paired.is_beyond_zero
    grades = found.estimate("mae", "random", "byol", ("linear", "1"), "gca")
    assert grades.value == pytest.approx(0.2)
    assert found.estimate("accuracy", "mask", "byol", ("linear", "1")) is None


# Runner


def test_a_study_stops_resumes_and_makes_its_tables(phantom_folder: Path, tmp_path: Path, capsys):
    config = write_config(tmp_path)
    options = ["--predictor", str(write_predictor(tmp_path)), "--work", str(tmp_path / "work")]
    folder = tmp_path / "knee_tiny"
    command = [str(config), str(phantom_folder / "labels.csv"), *options, "--results", str(folder)]
    assert study.main([*command, "--minutes", "0"]) == 3
    assert not list(folder.glob("*-*.json"))
    assert study.main(command) == 0
    names = {path.stem for path in folder.glob("*-*.json")}
    assert names == {"untrained-none-0", "random-byol-0", "gca-byol-0"}
    report = json.loads((folder / "gca-byol-0.json").read_text())
    assert report["settings"]["gaze"]["simulated"] is True
    assert report["pretraining"]["num_steps"] == 6 and report["crops"]["grown"] == 0
    assert report["crops"]["retained"] > 0.5
    assert set(report["linear"]) == {"0.5", "1"} and report["seconds"]["pretraining"]["wall"] > 0
    images = json.loads((folder / "test_images.json").read_text())
    guess = report["linear"]["1"]["guess"]
    correct = np.mean([a == b for a, b in zip(guess, images["grade"], strict=True)])
    assert correct == pytest.approx(report["linear"]["1"]["accuracy"])

    capsys.readouterr()
    assert study.main(command) == 0
    assert "0 cells to do" in capsys.readouterr().out
    write_config(tmp_path, num_epochs=3)
    with pytest.raises(ValueError, match=r"num_epochs of .* must be that of the study, 3, got 2"):
        study.main(command)

    tables = summary.make_tables(results.Results.read(folder), "byol")
    assert [len(table) for table in tables] == [5, 4]
    assert "`gca`" in tables[1][3] and "[" in tables[1][3]
    text = summary.fill("<!-- table: t -->\nold\n<!-- end -->\n", {"t": "new"})
    assert text == "<!-- table: t -->\nnew\n<!-- end -->\n"


def test_a_cell_goes_on_from_its_checkpoint(phantom_folder: Path, tmp_path: Path, monkeypatch):
    cells = load_module("cells")
    config = write_config(tmp_path, arms=["gca"], fractions=[1.0])
    predictor = str(write_predictor(tmp_path))
    labels = str(phantom_folder / "labels.csv")

    def run(name: str) -> int:
        places = ["--work", str(tmp_path / name), "--results", str(tmp_path / f"knee_{name}")]
        return study.main([str(config), labels, "--predictor", predictor, *places])

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
        json.loads((tmp_path / f"knee_{name}" / "gca-byol-0.json").read_text())
        for name in ("whole", "parts")
    )
    states = [
        read_state(tmp_path / name / "tiny" / "gca-byol-0" / "last.safetensors")["module"]
        for name in ("whole", "parts")
    ]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert whole["linear"] == parts["linear"] and whole["crops"] == parts["crops"]


def test_a_config_with_an_unknown_name_is_refused(tmp_path: Path):
    config = load_module("study_config").StudyConfig
    with pytest.raises(ValueError, match=r"arms must be one of .*, got 'gaca'"):
        config(name="x", arms=("gaca",))
    with pytest.raises(ValueError, match=r"must hold only .*, got epochs\. Correct the name"):
        config.read(write_config(tmp_path, epochs=3))


def test_committed_configs_are_read():
    config = load_module("study_config").StudyConfig
    folder = load_module("row").REPOSITORY / "benchmarks" / "knee"
    small, full = (config.read(folder / f"{name}.json") for name in ("small", "full"))
    assert {"random", "searched", "centre", "gca", "gca_paper"} <= set(small.arms)
    assert set(full.arms) == set(arms.ARMS) - set(arms.REMEDIES) and len(full.seeds) >= 3
    assert len({cell.name for cell in full.cells()}) == len(list(full.cells()))
