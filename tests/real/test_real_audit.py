"""The audit of the presets on dental X-rays with simulated gaze, as a user runs it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from gca_dali.cli.main import app


@pytest.fixture(scope="module")
def found(shared_data) -> dict:
    folder = shared_data / "dental"
    arguments = ["audit", str(folder), "--boxes", str(folder / "boxes.csv"), "--saliency", "boxes"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_all_lesions_are_audited(found):
    assert (found["images"], found["lesions"]) == (190, 391)


def test_pairs_of_gca_share_a_lesion_at_the_area_of_random(found):
    gca, random = found["policies"]["gca"], found["policies"]["random"]
    assert gca["pairs_share"] >= 0.98
    assert random["pairs_share"] == pytest.approx(0.70, abs=0.02)
    assert gca["mean_area"] == pytest.approx(random["mean_area"], abs=0.02)
    assert gca["mean_pair_iou"] == pytest.approx(random["mean_pair_iou"], abs=0.06)


def test_gca_hold_keeps_the_lesions(found):
    hold, random = found["policies"]["gca_hold"], found["policies"]["random"]
    assert hold["kept"] >= 0.99
    assert hold["below_tau"] == 0.0
    assert hold["mean_area"] <= random["mean_area"] + 0.03


@pytest.mark.parametrize(
    ("policy", "kept", "mean_area"),
    [
        ("random", 0.76, 0.54),
        ("simclr", 0.66, 0.47),
        ("searched", 0.99, 0.69),
        ("contrastive_crop", 0.88, 0.54),
        ("gca_paper", 0.97, 0.62),
        ("focus_contrast", 0.99, 0.62),
    ],
)
def test_other_laws_are_near_the_published_measurement(found, policy, kept, mean_area):
    counted = found["policies"][policy]
    assert counted["kept"] == pytest.approx(kept, abs=0.04)
    assert counted["mean_area"] == pytest.approx(mean_area, abs=0.02)
