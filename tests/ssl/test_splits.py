from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gca_dali.data.manifest import Manifest
from gca_dali.ssl.splits import balance_subset, group_rows, hold_out, split_rows


def _manifest(label, patient=None, split=None) -> Manifest:
    num = len(label)
    return Manifest(
        root=Path("/x"),
        path=np.array([f"{i}.png" for i in range(num)]),
        height=np.full(num, 8),
        width=np.full(num, 8),
        bits=np.full(num, 8),
        format=np.full(num, "png"),
        label=np.asarray(label),
        patient=np.asarray(patient if patient is not None else [""] * num),
        columns={} if split is None else {"split": np.asarray(split)},
    )


def test_the_split_column_decides_and_unlabelled_rows_are_left_out() -> None:
    manifest = _manifest([0, 1, -1, 0, -1], split=["train", "train", "train", "test", "test"])
    train, test = split_rows(manifest, seed=0)
    assert train.tolist() == [0, 1] and test.tolist() == [3]


def test_a_split_with_a_patient_on_both_sides_is_used_and_told(caplog) -> None:
    split = ["train", "train", "test", "test"]
    train, test = split_rows(_manifest([0, 1, 0, 1], ["a", "b", "a", "c"], split), seed=0)
    assert train.tolist() == [0, 1] and test.tolist() == [2, 3]
    assert "1 patients both in train and in test, the first of them a" in caplog.text
    caplog.clear()
    split_rows(_manifest([0, 1, 0, 1], ["a", "b", "", "c"], split), seed=0)
    assert caplog.text == ""


def test_other_values_of_split_are_left_out() -> None:
    manifest = _manifest([0, 1, 0, 1], split=["train", "train", "val", "test"])
    train, test = split_rows(manifest, seed=0)
    assert train.tolist() == [0, 1] and test.tolist() == [3]


def test_a_split_is_used_or_refused_but_never_passed_over() -> None:
    manifest = _manifest([0, 1, 0, 1], split=["Train", "TRAIN", "Test", "test"])
    train, test = split_rows(manifest, seed=0)
    assert train.tolist() == [0, 1] and test.tolist() == [2, 3]
    with pytest.raises(ValueError, match=r"must hold train and test, got 'A', 'B'\. Rename"):
        split_rows(_manifest([0, 1, 0, 1], split=["A", "A", "B", "B"]), seed=0)
    assert split_rows(_manifest([0, 1, 0, 1] * 5, split=["train"] * 20), seed=0)[1].size == 4


def test_without_a_split_patients_are_on_one_side_only() -> None:
    rng = np.random.default_rng(0)
    patient = rng.integers(0, 60, 200).astype(str)
    manifest = _manifest(rng.integers(0, 3, 200), patient)
    train, test = split_rows(manifest, seed=1)
    assert not set(patient[train]) & set(patient[test])
    assert len(train) + len(test) == 200 and 20 <= len(test) <= 40
    again = split_rows(manifest, seed=1)
    assert np.array_equal(test, again[1])
    assert not np.array_equal(test, split_rows(manifest, seed=2)[1])


def test_unknown_patients_are_strangers() -> None:
    groups = group_rows(_manifest([0] * 5, ["", "a", "", "a", "0"]))
    assert groups[1] == groups[3]
    assert len(np.unique(groups)) == 4


def test_hold_out_leaves_rows_on_both_sides() -> None:
    for groups in ([0, 1], [0] * 9 + [1], np.arange(10)):
        drawn = hold_out(np.asarray(groups), 0.2, seed=0)
        assert drawn.any() and not drawn.all()
    assert not hold_out(np.zeros(4, int), 0.2, seed=0).any()


def test_subsets_are_balanced_nested_and_whole_at_one() -> None:
    label = np.repeat([0, 1, 2], [500, 300, 20])
    small, middle = balance_subset(label, 0.03, 0), balance_subset(label, 0.15, 0)
    assert np.bincount(label[small]).tolist() == [9, 9, 9]
    assert np.bincount(label[middle]).tolist() == [52, 52, 20]
    assert set(small) < set(middle)
    assert np.array_equal(balance_subset(label, 1.0, 0), np.arange(820))
    assert not np.array_equal(small, balance_subset(label, 0.03, 1))


def test_the_smallest_subset_holds_every_class() -> None:
    label = np.repeat([0, 1, 4], [500, 300, 1])
    assert label[balance_subset(label, 0.0001, 0)].tolist() == [0, 1, 4]


def test_refuses() -> None:
    for fraction in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"fraction must lie in \(0, 1\], got"):
            balance_subset(np.array([0, 1]), fraction, 0)
    with pytest.raises(ValueError, match=r"at least 2 classes to learn .* got 1 and 1"):
        split_rows(_manifest([0, 0, 0, 0]), seed=0)
    with pytest.raises(ValueError, match="1 image to test on, got 2 and 0"):
        split_rows(_manifest([0, 1, -1], split=["train", "train", "test"]), seed=0)
