"""Evaluation beside the priors: intervals, paired gains, the files that show them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gca_dali.gaze.card import write_card
from gca_dali.gaze.curves import draw_curves
from gca_dali.gaze.evaluate import bootstrap_mean, evaluate_maps
from gca_dali.gaze.network import GazeNetwork, NetworkConfig
from gca_dali.gaze.predictor import GazePredictor, PredictorFacts

NAMES = [f"{i}.png" for i in range(12)]


def blobs(seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Twelve maps with a blob each, and fixations on its middle."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(2, 14, (12, 2))
    v, u = np.mgrid[:16, :16]
    maps = np.stack([np.exp(-((v - y) ** 2 + (u - x) ** 2) / 6) for y, x in centres])
    return maps, {name: np.array([centre]) for name, centre in zip(NAMES, centres, strict=True)}


def test_bootstrap_by_hand() -> None:
    groups = np.array(["a", "b"])
    mean, low, high = bootstrap_mean(np.array([0.0, 1.0]), groups)
    # Two patients: a resample has mean 0, ½ or 1 with chances ¼, ½, ¼.
    assert (mean, low, high) == (0.5, 0.0, 1.0)
    assert bootstrap_mean(np.array([2.0, np.nan]), groups) == (2.0, 2.0, 2.0)
    assert np.isnan(bootstrap_mean(np.array([np.nan, np.nan]), groups)).all()


def test_bootstrap_keeps_patients_together() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=30), 10)
    alone = bootstrap_mean(values, np.arange(300).astype(str))
    together = bootstrap_mean(values, np.repeat(np.arange(30), 10).astype(str))
    assert together[2] - together[1] > 2 * (alone[2] - alone[1])


def test_bootstrap_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(100):
        _, low, high = bootstrap_mean(rng.normal(size=60), np.arange(60).astype(str))
        covered += low <= 0 <= high
    assert 88 <= covered <= 100


def test_a_perfect_source_beats_the_priors_in_every_metric() -> None:
    recorded, cells = blobs(0)
    sources = {"perfect": recorded, "mean map": recorded.mean(0), "centre": np.ones((16, 16))}
    found = evaluate_maps(sources, recorded, NAMES, cells=cells)
    for metric in found.scores["perfect"]:
        gain, low, _ = found.gain("perfect", "mean map", metric)
        assert gain > 0 and low > 0, metric
    assert found.mean("perfect", "cc")[0] == pytest.approx(1)
    assert found.mean("mean map", "information_gain")[0] == pytest.approx(0)
    # A constant map and a map of all images tell nothing about one of them.
    assert found.mean("centre", "auc_shuffled")[0] == 0.5
    summary = found.as_dict()
    assert list(summary["gains"]) == ["perfect over mean map", "perfect over centre"]
    assert summary["scores"]["perfect"]["kld"]["mean"] == pytest.approx(0, abs=1e-9)


def test_without_fixations_their_metrics_are_left_out() -> None:
    recorded, cells = blobs(0)
    sources = {"predictor": recorded, "mean map": recorded.mean(0)}
    found = evaluate_maps(sources, recorded, NAMES)
    assert list(found.scores["predictor"]) == ["cc", "sim", "kld"]
    cells["3.png"] = np.zeros((0, 2), np.int64)
    nss = evaluate_maps(sources, recorded, NAMES, cells=cells).scores["predictor"]["nss"]
    assert np.isnan(nss).tolist() == [i == 3 for i in range(12)]
    with pytest.raises(ValueError, match="images must be at least one, got none"):
        evaluate_maps(sources, recorded[:0], [])


def test_card_says_simulated_and_shows_the_scores() -> None:
    network = GazeNetwork(NetworkConfig(decoder_channels=(16, 16, 16), input_px=64, map_px=16))
    facts = PredictorFacts(True, 10, 5, {"kld": 0.5, "cc": 0.7, "num_maps": 2}, {"epoch": 3})
    predictor = GazePredictor(network, np.full((16, 16), 1 / 256), facts, "cpu")
    recorded, cells = blobs(0)
    sources = {"predictor": recorded, "mean map": recorded.mean(0)}
    summary = evaluate_maps(sources, recorded, NAMES, cells=cells).as_dict()
    card = write_card(predictor, title="Test", data="CC BY 4.0.", evaluation=summary)
    assert "Learned from simulated gaze: nobody looked" in card
    assert "| predictor | 1.000 (1.000…1.000) |" in card
    assert "*predictor over mean map, better by*" in card
    assert predictor.fingerprint in card and "CC BY 4.0." in card
    assert "## Scores" not in write_card(predictor, title="Test", data="")


def test_curves_are_a_picture(tmp_path: Path) -> None:
    draw_curves(tmp_path / "c.png", {"loss": {"a": [3, 2, 1], "b": [1, 1, 1]}, "cc": {"c": [0]}}, 2)
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.size == (720, 240)
        assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 10
