"""What the study's cells say: estimates over seeds and patients, and the tables of its page."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from study_of_views import PLAN, load_module

results, summary, tables = (load_module(name) for name in ("results", "summary", "tables"))
config = load_module("study_config").StudyConfig


def _cell(arm: str, seed: int, guess: str, positive: str = "") -> dict:
    guessed = {"guess": guess, "positive": positive}
    return {"arm": arm, "method": "simclr", "seed": seed, "linear": {"1": guessed}}


def test_estimates_pair_seeds_and_patients():
    grade = "01234" * 40
    wrong = "11234" * 40
    cells = [_cell("random", 0, wrong), _cell("gca", 0, grade), _cell("gca", 1, wrong)]
    found = results.Results(cells, np.array(list(map(int, grade))), np.arange(200) // 2, 2)
    mine = found.estimate("accuracy", "gca", "simclr", ("linear", "1"))
    assert (mine.value, mine.num_seeds) == (0.9, 2)
    paired = found.estimate("accuracy", "gca", "simclr", ("linear", "1"), "random")
    assert paired.num_seeds == 1 and paired.value == pytest.approx(0.2)
    assert 0.1 < paired.low < 0.2 < paired.high < 0.3
    assert paired.p < 1e-6 and not paired.is_beyond_zero  # of one seed
    grades = found.estimate("mae", "random", "simclr", ("linear", "1"), "gca")
    assert grades.value == pytest.approx(0.2)
    kappas = [found.estimate("kappa", arm, "simclr", ("linear", "1")) for arm in ("gca", "random")]
    assert kappas[0].value > kappas[1].value > 0.9
    assert found.estimate("accuracy", "mask", "simclr", ("linear", "1")) is None


def test_the_auc_is_of_the_positive_grades():
    grade = np.array([0, 1, 2, 4])
    cells = [_cell("random", 0, "0000", "0100030002009999")]
    found = results.Results(cells, grade, np.arange(4), 2)
    # Of the four pairs (positive, other) three are in order.
    assert found._resampled("auc", "random", "simclr", ("linear", "1"))[0][0] == 0.75


def test_an_estimate_by_hand_where_patients_do_not_differ():
    one = results.estimate_mean(np.tile([0.1, 0.2, 0.3], (9, 1)), 50)
    # Student's t of three values: 4.303 and two degrees of freedom.
    assert (one.value, one.high - one.value) == pytest.approx(
        (0.2, 4.3027 * 0.1 / 3**0.5), rel=1e-4
    )
    assert one.p == pytest.approx(0.0742, abs=1e-4) and not one.is_beyond_zero


@pytest.mark.parametrize(("num_seeds", "of_seeds"), [(3, 0.03), (5, 0.03), (5, 0.003)])
def test_a_true_null_is_refused_as_often_as_stated(num_seeds: int, of_seeds: float):
    rng, of_patients, num_trials = np.random.default_rng(0), 0.01, 1000
    refused = 0
    for _ in range(num_trials):
        found = rng.normal(0, of_patients) + rng.normal(0, of_seeds, num_seeds)
        resampled = found + rng.normal(0, of_patients, (100, 1))
        refused += results.estimate_mean(np.vstack([found, resampled]), 800).p < 0.05
    assert 0.01 < refused / num_trials < 0.075


def test_nothing_is_tested_before_the_last_cell_and_the_correction_counts_all():
    grade = np.tile([0, 1], 100)
    cells = []
    for seed in (0, 1):
        cells.append(_cell("random", seed, "", "50000000" * 100))
        cells.append(_cell("gca", seed, "", ("10009000" * 90 + "00000000" * 10)))
    plan = PLAN | {"seeds": [0, 1], "comparisons": PLAN["comparisons"][1:]}
    one = results.Results(cells, grade, np.arange(200), 1)
    row = tables.planned_table(one, plan, 0.05)[2]
    assert "**+" in row and row.endswith("| 0.000 |")
    for missing in (plan | {"seeds": [0, 1, 2]}, PLAN | {"seeds": [0, 1]}):
        (row,) = tables.planned_table(one, missing, 0.05)[2:3]
        assert "**" not in row and row.endswith("| – |")


def test_holm_by_hand():
    assert results.adjust([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert results.adjust([0.9, 0.5]) == [1.0, 1.0] and results.adjust([]) == []


@pytest.mark.parametrize("name", ["knees", "phantoms"])
def test_the_page_says_what_the_cells_in_the_repository_say(name: str):
    repository = load_module("row").REPOSITORY
    folder = repository / "benchmarks" / "study"
    plan = json.loads((folder / "plan.json").read_text())
    found = results.Results.read(repository / "benchmarks" / "results" / f"study_{name}")
    made = {
        f"{name} facts": summary.describe(found, config.read(folder / f"{name}.json")),
        f"{name} planned": "\n".join(tables.planned_table(found, plan, plan["level"])),
    }
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert all(f"<!-- table: {mark} -->" in text for mark in made)
    assert summary.fill(text, made) == text, "run python benchmarks/study/summary.py"


def test_the_answer_s_numbers_stand_in_its_tables():
    folder = load_module("row").REPOSITORY / "benchmarks" / "study"
    page = (folder / "README.md").read_text(encoding="utf-8")
    answer = page.split("## The answer\n")[1].split("\n## ")[0]
    shown = page.split("\n## Knees")[1]
    numbers = re.findall(r"[+-]0\.\d{3}|(?<=p )0\.\d{3}", answer)
    assert len(numbers) >= 6 and "**All gaze is simulated.**" in answer
    for number in numbers:
        assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", shown), number
