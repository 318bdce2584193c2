from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from gca_dali.ssl.scores import METRICS, Predictions, compare, score


def _predict(num_images: int, sharpness: float, seed: int = 0, num_classes: int = 4) -> Predictions:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, num_classes, num_images)
    logits = rng.normal(size=(num_images, num_classes))
    logits[np.arange(num_images), label] += sharpness
    # Rounding makes ties, which count half in the AUC.
    probability = np.round(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), 2)
    return Predictions(probability, label, np.arange(num_images) // 2)


def test_by_hand() -> None:
    probability = np.eye(3)[[0, 1, 2, 0]]
    scores = score(Predictions(probability, np.array([0, 1, 1, 2]), np.arange(4)))
    assert scores["accuracy"] == 0.5
    assert scores["mae"] == pytest.approx((0 + 0 + 1 + 2) / 4)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_against_scikit_learn(num_classes: int) -> None:
    predictions = _predict(200, 1.0, num_classes=num_classes)
    probability, label = predictions.probability, predictions.label
    scores = score(predictions)
    aucs = [roc_auc_score(label == k, probability[:, k]) for k in range(num_classes)]
    assert scores["auc"] == pytest.approx(np.mean(aucs))
    kappa = cohen_kappa_score(label, probability.argmax(1), weights="quadratic")
    assert scores["kappa"] == pytest.approx(kappa)
    assert scores["accuracy"] == np.mean(probability.argmax(1) == label)


def test_intervals_are_seeded_and_hold_the_value() -> None:
    predictions = _predict(300, 1.0)
    first, second = score(predictions, seed=3), score(predictions, seed=3)
    assert first == second
    assert first["accuracy_ci95"] != score(predictions, seed=4)["accuracy_ci95"]
    for name in METRICS:
        low, high = first[f"{name}_ci95"]
        assert low < first[name] < high


def test_interval_of_accuracy_covers_as_often_as_it_says() -> None:
    truth, hits = 0.7, 0
    for seed in range(60):
        right = np.random.default_rng(seed).random(150) < truth
        probability = np.eye(2)[right.astype(int)]
        low, high = score(Predictions(probability, np.ones(150, int), np.arange(150)))[
            "accuracy_ci95"
        ]
        hits += low <= truth <= high
    assert hits >= 52  # 57 are expected of 60; fewer than 52 has a probability of 1 %


def test_two_images_of_one_patient_widen_the_interval() -> None:
    once = _predict(200, 1.0)
    alone = Predictions(once.probability, once.label, np.arange(200))
    twice = Predictions(
        np.concatenate([once.probability] * 2),
        np.concatenate([once.label] * 2),
        np.concatenate([np.arange(200)] * 2),
    )
    width = [np.ptp(score(item)["accuracy_ci95"]) for item in (alone, twice)]
    assert width[1] == pytest.approx(width[0], abs=0.02)


def test_a_class_without_test_images_is_left_out_of_the_auc() -> None:
    predictions = _predict(100, 1.0, num_classes=3)
    probability = np.c_[predictions.probability, np.zeros(100)]
    wider = Predictions(probability, predictions.label, predictions.groups)
    assert score(wider)["auc"] == pytest.approx(score(predictions)["auc"])


def test_paired_comparison_finds_a_difference_and_no_difference() -> None:
    good, bad = _predict(400, 3.0), _predict(400, 0.5)
    report = compare(good, bad)
    assert report["accuracy"]["difference"] > 0.2
    assert report["accuracy"]["ci95"][0] > 0 and report["accuracy"]["p"] < 0.01
    assert report["mae"]["difference"] < 0
    assert report["accuracy"]["p"] > 0
    same = compare(good, good)
    assert same["accuracy"] == {"difference": 0.0, "ci95": [0.0, 0.0], "p": 1.0}


def test_a_comparison_that_is_undefined_has_no_p() -> None:
    one_class = _predict(60, 1.0)
    alike = Predictions(one_class.probability, np.zeros(60, np.int64), one_class.groups)
    report = compare(alike, alike)
    assert np.isnan(report["auc"]["p"]) and np.isnan(report["auc"]["difference"])
    assert report["accuracy"]["p"] == 1.0


def test_pairing_narrows_the_interval() -> None:
    good = _predict(400, 1.0)
    probability = good.probability.copy()
    probability[:10] = probability[:10, ::-1]
    near = Predictions(probability, good.label, good.groups)
    paired = np.ptp(compare(good, near)["accuracy"]["ci95"])
    assert paired < 0.5 * np.ptp(score(good)["accuracy_ci95"])


def test_refuses() -> None:
    with pytest.raises(ValueError, match="must be equally long, got 4, 3, 4"):
        Predictions(np.zeros((4, 2)), np.zeros(3, int), np.zeros(4, int))
    with pytest.raises(ValueError, match="must be tested on the same images"):
        compare(_predict(10, 1.0), _predict(10, 1.0, seed=1))
