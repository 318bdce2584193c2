"""Saliency metrics: by hand, against pysaliency on random cases, degenerate maps, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gca_dali.gaze import metrics

SHAPES = [(8, 8), (13, 7), (1, 5), (32, 48)]


def random_case(shape: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, *shape])
    predicted, recorded = rng.gamma(1.5, size=(2, *shape))
    cells = np.stack([rng.integers(0, side, 9) for side in shape], axis=1)
    return predicted, recorded, cells


# By hand


def test_cells_by_hand() -> None:
    points = np.array([[0.0, 0.0, 0.2], [9.9, 19.9, 0.2], [5.0, 10.0, 0.2], [10.0, 20.0, 0.2]])
    cells = metrics.fixation_cells(points, (10, 20), (2, 4))
    np.testing.assert_array_equal(cells, [[0, 0], [1, 3], [1, 2], [1, 3]])


def test_maps_by_hand() -> None:
    p, q = np.array([[0.0, 1.0], [1.0, 2.0]]), np.array([[0.0, 2.0], [0.0, 2.0]])
    # Deviations p: −1 0 0 1, q: −1 1 −1 1.
    assert metrics.cc(p, q) == pytest.approx(2 / math.sqrt(2 * 4))
    # P = 0 ¼ ¼ ½, Q = 0 ½ 0 ½.
    assert metrics.sim(p, q) == pytest.approx(0.75)
    assert metrics.kld(p, q) == pytest.approx(0.5 * math.log(2))


def test_fixations_by_hand() -> None:
    p = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    cells = np.array([[1, 2], [1, 0]])
    # Mean 2.5, variance 35/12; values 5 and 3.
    assert metrics.nss(p, cells) == pytest.approx(1.5 / math.sqrt(35 / 12))
    # Free cells 0 1 2 4: none reaches 5, one reaches 3; the curve is (0, 0) (0, ½) (¼, 1) (1, 1).
    assert metrics.auc_judd(p, cells) == pytest.approx(0.25 * 0.75 + 0.75)
    # Against 4 and 3: 5 beats both, 3 loses to one and ties with one.
    assert metrics.auc_shuffled(p, cells, np.array([[1, 1], [1, 0]])) == pytest.approx(0.625)
    # P = 5/15 and 3/15 over a uniform prior of 1/6.
    gain = (math.log2(2) + math.log2(1.2)) / 2
    assert metrics.information_gain(p, np.ones((2, 3)), cells) == pytest.approx(gain)


# Against pysaliency


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_maps_agree_with_pysaliency(shape: tuple[int, int], seed: int) -> None:
    from pysaliency import metrics as theirs

    p, q, cells = random_case(shape, seed)
    assert metrics.cc(p, q) == pytest.approx(theirs.CC(p, q), abs=1e-3)
    assert metrics.sim(p, q) == pytest.approx(theirs.SIM(p - p.min(), q - q.min()), abs=1e-3)
    assert metrics.kld(p, q) == pytest.approx(theirs.MIT_KLDiv(p, q), abs=1e-3)
    expected = theirs.NSS(p, cells[:, 1], cells[:, 0]).mean()
    assert metrics.nss(p, cells) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("shape", [s for s in SHAPES if min(s) > 1])
def test_fixations_agree_with_pysaliency(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pysaliency

    # pysaliency 0.2 calls a name that NumPy 2 dropped.
    if not hasattr(np, "trapz"):
        monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)

    cases = [random_case(shape, seed) for seed in range(3)]
    stimuli = pysaliency.Stimuli([np.full((*shape, 3), i, np.uint8) for i in range(3)])
    cells = np.concatenate([case[2] for case in cases])
    owner = np.repeat(np.arange(3), [len(case[2]) for case in cases])
    fixations = pysaliency.Fixations.create_without_history(cells[:, 1], cells[:, 0], owner)

    class Model(pysaliency.SaliencyMapModel):
        def _saliency_map(self, stimulus: np.ndarray) -> np.ndarray:
            return cases[int(stimulus[0, 0, 0])][0]

    judd = Model().AUC_per_image(stimuli, fixations, "unfixated", thresholds="fixations")
    shuffled = Model().AUC_per_image(stimuli, fixations, "shuffled", thresholds="all")
    densities = [case[0] / case[0].sum() for case in cases]

    class Density(pysaliency.Model):
        def _log_density(self, stimulus: np.ndarray) -> np.ndarray:
            return np.log(densities[int(stimulus[0, 0, 0])])

    gains = Density().information_gains(stimuli, fixations)
    for i, (p, _, own) in enumerate(cases):
        assert metrics.auc_judd(p, own) == pytest.approx(judd[i], abs=1e-3)
        others = cells[owner != i]
        assert metrics.auc_shuffled(p, own, others) == pytest.approx(shuffled[i], abs=1e-3)
        gain = metrics.information_gain(p, np.ones(shape), own)
        assert gain == pytest.approx(gains[owner == i].mean(), abs=1e-3)


# Invariants and degenerate maps


def test_equal_maps_are_perfect_and_scale_does_not_matter() -> None:
    p, _, cells = random_case((16, 16), 0)
    assert metrics.cc(p, 7 * p) == pytest.approx(1)
    assert metrics.sim(p, 7 * p) == pytest.approx(1)
    assert metrics.kld(p, 7 * p) == pytest.approx(0, abs=1e-9)
    assert metrics.nss(3 * p + 2, cells) == pytest.approx(metrics.nss(p, cells))


@pytest.mark.parametrize("level", [0.0, 0.1, 1e-8, 255.0])
def test_constant_maps(level: float) -> None:
    flat = np.full((8, 8), level)
    p, _, cells = random_case((8, 8), 0)
    assert metrics.cc(flat, p) == 0 and metrics.cc(flat, flat) == 0
    assert metrics.nss(flat, cells) == 0
    assert metrics.auc_judd(flat, cells) == 0.5
    assert metrics.auc_shuffled(flat, cells, cells) == 0.5
    assert metrics.information_gain(flat, flat, cells) == 0
    assert metrics.kld(flat, flat) == pytest.approx(0, abs=1e-9)
    assert metrics.sim(flat, flat) == pytest.approx(1)


def test_disjoint_one_hot_maps() -> None:
    p, q = np.zeros((4, 4)), np.zeros((4, 4))
    p[0, 0] = q[3, 3] = 1
    assert metrics.sim(p, q) == 0
    assert metrics.kld(p, q) == pytest.approx(-math.log(metrics.EPSILON), rel=1e-6)
    assert metrics.auc_judd(p, np.array([[0, 0]])) == 1
    assert metrics.auc_judd(np.ones((1, 1)), np.array([[0, 0]])) == 0.5


def test_errors() -> None:
    ones = np.ones((2, 2))
    with pytest.raises(ValueError, match=r"maps must have one shape, got \[2, 2\] and \[2, 3\]"):
        metrics.cc(ones, np.ones((2, 3)))
    with pytest.raises(ValueError, match="saliency must be a finite map"):
        metrics.kld(ones, np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="cells must hold at least one fixation"):
        metrics.nss(ones, np.zeros((0, 2), int))
