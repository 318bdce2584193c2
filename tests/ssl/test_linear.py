from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from gca_dali.ssl.linear import LinearProbe, fit_linear_probe


def _clouds(num_rows: int, distance: float, num_dims: int = 20, seed: int = 0):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, num_rows)
    features = rng.normal(size=(num_rows, num_dims))
    features[:, :3] += distance * np.eye(3)[label]
    # Scales that differ by a thousand: standardisation must undo them.
    features *= np.geomspace(1, 1000, num_dims)
    return features.astype(np.float32), label


def test_separable_clouds_are_learnt_and_scale_does_not_matter() -> None:
    features, label = _clouds(400, 6.0)
    test_features, test_label = _clouds(200, 6.0, seed=1)
    probe = fit_linear_probe(features, label, np.arange(400), 3, seed=0)
    probability = probe.predict(test_features)
    assert np.mean(probability.argmax(1) == test_label) > 0.97
    assert np.allclose(probability.sum(1), 1)


def test_the_penalty_follows_the_data() -> None:
    easy = fit_linear_probe(*_clouds(400, 6.0), np.arange(400), 3, seed=0)
    noise = fit_linear_probe(*_clouds(60, 0.0, num_dims=100), np.arange(60), 3, seed=0)
    assert noise.penalty > 100 * easy.penalty


def test_is_plain_logistic_regression_at_one_penalty() -> None:
    features, label = _clouds(100, 1.0)
    standard = (features - features.mean(0)) / features.std(0)
    peer = LogisticRegression(C=1 / (0.1 * 100), max_iter=500).fit(standard, label)
    own = LinearProbe(0.1, 3).fit(features, label).predict(features)
    assert np.abs(own - peer.predict_proba(standard)).max() < 1e-3


def test_a_class_that_was_not_learnt_has_probability_zero() -> None:
    features, label = _clouds(60, 3.0)
    probe = fit_linear_probe(
        features[label != 1], label[label != 1], np.arange(60)[label != 1], 4, 0
    )
    assert np.all(probe.predict(features)[:, [1, 3]] == 0)


@pytest.mark.parametrize("groups", [[0, 0], [0, 1]])
def test_two_rows_are_enough(groups: list[int]) -> None:
    features = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    probe = fit_linear_probe(features, np.array([0, 1]), np.array(groups), 2, 0)
    assert probe.predict(features).argmax(1).tolist() == [0, 1]


def test_the_choice_is_seeded() -> None:
    features, label = _clouds(80, 1.0)
    one, two = (fit_linear_probe(features, label, np.arange(80), 3, seed=5) for _ in range(2))
    assert np.array_equal(one.predict(features), two.predict(features))
