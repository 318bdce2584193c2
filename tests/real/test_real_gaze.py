"""Simulated readers and the bundled predictor on real X-rays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.boxes import read_boxes_csv
from gca_dali.gaze.bulk import simulate_boxes, simulate_knees
from gca_dali.gaze.knee_anatomy import find_knee
from gca_dali.gaze.study import PUBLISHED_COUNTS, draw_study
from gca_dali.image.read import read_image

NEGATIVES = ("images/test/2/9648224R.jpg", "images/test/3/9648692R.jpg")


@pytest.fixture(scope="module")
def knees(shared_data: Path) -> Manifest:
    return Manifest.from_csv(shared_data / "knee" / "labels.csv")


def pick(knees: Manifest, grades: tuple[int, ...], num_each: int) -> Manifest:
    rng = np.random.default_rng(5)
    rows = [rng.choice(np.flatnonzero(knees.label == g), num_each, replace=False) for g in grades]
    return knees.take(np.concatenate(rows))


def test_joint_line_lies_in_the_dark_gap(knees: Manifest) -> None:
    dark = []
    for file in pick(knees, (0, 1, 2, 3), 8).files:
        image = read_image(file).astype(np.float64)
        knee = find_knee(image)
        left, right = knee.margin_x_px
        span = right - left
        x = np.concatenate(
            [
                np.arange(left + 0.1 * span, left + 0.3 * span),
                np.arange(right - 0.3 * span, right - 0.1 * span),
            ]
        ).astype(int)
        y = knee.line_y_px.astype(int)[x]
        on = image[y, x]
        beside = np.minimum(image[y - 18, x], image[y + 18, x])
        dark.append((on < beside).mean())
        assert 0.3 * 224 < np.median(y) < 0.7 * 224
    assert np.mean(dark) > 0.8


def test_negatives_are_recognised(knees: Manifest) -> None:
    for path, file in zip(knees.path.tolist(), knees.files, strict=True):
        if path in NEGATIVES:
            assert find_knee(read_image(file)).inverted
    positives = pick(knees, (0, 4), 8)
    assert not any(find_knee(read_image(file)).inverted for file in positives.files)


def test_study_is_drawn_from_training_patients(knees: Manifest) -> None:
    study = knees.take(draw_study(knees.label, knees.columns["split"]))
    assert np.bincount(study.label).tolist() == list(PUBLISHED_COUNTS)
    assert set(study.columns["split"].tolist()) == {"train"}
    test = knees.where(split="test")
    assert not set(study.patient.tolist()) & set(test.patient.tolist())


def test_readings_differ_between_knees_of_one_grade(knees: Manifest) -> None:
    rows = pick(knees, (2,), 6)
    fixations = simulate_knees(rows, seed=1)
    assert fixations.simulated and fixations.report.num_valid > 6 * 14
    heights = [np.median(fixations.points(path)[:, 0]) for path in rows.path.tolist()]
    lines = [np.median(find_knee(read_image(file)).line_y_px) for file in rows.files]
    assert np.corrcoef(heights, lines)[0, 1] > 0.7


def test_dental_boxes_draw_the_gaze(shared_data: Path) -> None:
    dental = Manifest.from_csv(shared_data / "dental" / "images.csv").where(split="test")
    boxes = read_boxes_csv(shared_data / "dental" / "boxes.csv", dental)
    assert sum(len(b.lesions) for b in boxes) == 81
    fixations = simulate_boxes(dental, boxes, seed=0)
    near = []
    for path, own in zip(dental.path.tolist(), boxes, strict=True):
        points = fixations.points(path)
        for y0, x0, height, width in own.lesions:
            inside = (np.abs(points[:, 0] - y0 - height / 2) < height / 2 + 20) & (
                np.abs(points[:, 1] - x0 - width / 2) < width / 2 + 20
            )
            near.append(inside.sum() >= 2)
    assert np.mean(near) > 0.8
