"""The simulated readers: joint line, tracker faults, study draw, boxes."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

from gca_dali.data.rows import Rows
from gca_dali.gaze.boxes import read_boxes_csv
from gca_dali.gaze.knee_anatomy import KneeAnatomy, find_knee
from gca_dali.gaze.simulate import read_boxes, read_knee
from gca_dali.gaze.study import PUBLISHED_COUNTS, draw_study
from gca_dali.gaze.tracker import Tracker, simulate_fixations


def draw_joint(
    size: tuple[int, int] = (224, 224), level: float = 0.5, tilt: float = 0.0, gap: float = 0.05
) -> np.ndarray:
    """Bone from 8 % to 92 % of the width with a dark gap at `level`, tilted, on a dark ground."""
    height, width = size
    v = (np.arange(height)[:, None] + 0.5) / height
    u = (np.arange(width) + 0.5) / width
    line = level + tilt * (u - 0.5)
    bone = (u > 0.08) & (u < 0.92) & (np.abs(v - line) > gap / 2)
    noise = np.random.default_rng(0).normal(0, 6, size)
    return np.clip(np.where(bone, 180.0, 50.0) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("level", "tilt"), [(0.5, 0.0), (0.42, 0.0), (0.6, 0.08), (0.5, -0.08)])
def test_joint_line_is_found_where_it_was_drawn(level: float, tilt: float) -> None:
    knee = find_knee(draw_joint(level=level, tilt=tilt))
    x = np.arange(40, 184) + 0.5
    expected = (level + tilt * (x / 224 - 0.5)) * 224
    np.testing.assert_allclose(knee.line_at(x), expected, atol=3)
    np.testing.assert_allclose(knee.margin_x_px, [0.08 * 224, 0.92 * 224], atol=4)
    assert not knee.inverted


def test_joint_line_of_a_negative_and_of_more_bits_is_the_same() -> None:
    image = draw_joint(level=0.45)
    knee, negative = find_knee(image), find_knee(255 - image)
    assert negative.inverted
    np.testing.assert_allclose(negative.line_y_px, knee.line_y_px, atol=1.01)
    deep = find_knee(image.astype(np.uint16) * 257)
    np.testing.assert_array_equal(deep.line_y_px, knee.line_y_px)


def test_joint_line_scales_with_the_image() -> None:
    knee = find_knee(draw_joint((672, 560), level=0.45))
    assert knee.size == (672, 560) and knee.line_y_px.shape == (560,)
    np.testing.assert_allclose(knee.line_at(np.array([150, 280, 400])), 0.45 * 672, atol=8)


def test_narrower_gap_is_measured() -> None:
    image = draw_joint(gap=0.09)
    image[:, 112:] = draw_joint(gap=0.04)[:, 112:]
    left, right = find_knee(image).gap_px
    assert left > 1.4 * right


def test_knee_refuses_what_is_too_small() -> None:
    with pytest.raises(ValueError, match="must be a plane of at least 32×32 pixels"):
        find_knee(np.zeros((20, 224), np.uint8))


def test_reader_follows_the_image_and_knows_no_label() -> None:
    high, low = find_knee(draw_joint(level=0.40)), find_knee(draw_joint(level=0.60))
    first = read_knee(high, np.random.default_rng(0))
    second = read_knee(low, np.random.default_rng(0))
    assert np.median(second[:, 0]) - np.median(first[:, 0]) > 0.15 * 224
    assert list(inspect.signature(read_knee).parameters) == ["anatomy", "rng"]


def test_narrower_compartment_gets_more_fixations() -> None:
    knee = find_knee(draw_joint())
    skewed = KneeAnatomy(knee.line_y_px, knee.margin_x_px, (18.0, 6.0), knee.size, False, 0.2)
    rng = np.random.default_rng(0)
    x = np.concatenate([read_knee(skewed, rng)[:, 1] for _ in range(80)])
    # 60 % of the fixations are on the joint space, three quarters of those on the right.
    assert 0.58 < (x > 112).mean() < 0.72


def test_box_reader_dwells_on_lesions() -> None:
    rng = np.random.default_rng(0)
    lesion = np.array([[40.0, 300.0, 30.0, 20.0]])
    seen, seconds_on, seconds = 0, 0.0, 0.0
    for _ in range(200):
        points = read_boxes(lesion, np.zeros((0, 4)), (400, 600), rng)
        on = (np.abs(points[:, 0] - 55) < 30) & (np.abs(points[:, 1] - 310) < 30)
        seen += on.sum() >= 2
        seconds_on += points[on, 2].sum()
        seconds += points[:, 2].sum()
    assert 0.85 < seen / 200 < 0.99
    assert seconds_on / seconds > 0.35


# Tracker


def test_tracker_faults_have_their_sizes() -> None:
    rng = np.random.default_rng(0)
    intended = np.column_stack([np.full((20000, 2), 500.0), np.full(20000, 0.3)])
    rows = Tracker(offset=0.0, jitter=0.01, loss=0.1, glance=0.05).record(
        intended, (1000, 1000), rng
    )
    assert rows["flag"].mean() == pytest.approx(0.9, abs=0.01)
    away = rows["y_px"] > 1000
    assert away.mean() == pytest.approx(0.05, abs=0.01)
    assert rows["y_px"][~away].std() == pytest.approx(10, rel=0.05)


def test_simulated_rows_are_marked_and_do_not_depend_on_order() -> None:
    images = [
        (f"{i}.png", (100, 80), lambda g: g.uniform(20, 60, (9, 3)) / [1, 1, 100]) for i in range(4)
    ]
    first = simulate_fixations(images, seed=3)
    again = simulate_fixations(images[::-1], seed=3)
    assert first.simulated and first.images == ("0.png", "1.png", "2.png", "3.png")
    for name, _, _ in images:
        np.testing.assert_array_equal(first.points(name), again.points(name))
    other = simulate_fixations(images, seed=4)
    assert not np.array_equal(first.y_px, other.y_px)
    assert len(simulate_fixations([])) == 0


def test_tracker_refuses() -> None:
    with pytest.raises(ValueError, match=r"jitter must be at least 0, got -1"):
        Tracker(jitter=-1)
    with pytest.raises(ValueError, match=r"must be probabilities with a sum below 1, got 0.6"):
        Tracker(loss=0.6, glance=0.5)


# Study


def test_study_has_the_published_counts_from_training_patients() -> None:
    label = np.tile(np.arange(5), 400)
    split = np.where(np.arange(2000) % 3 == 0, "test", "train")
    rows = draw_study(label, split, seed=1)
    assert len(rows) == 354 == len(np.unique(rows))
    assert np.bincount(label[rows]).tolist() == list(PUBLISHED_COUNTS)
    assert (split[rows] == "train").all()
    assert not np.array_equal(rows, draw_study(label, split, seed=2))


def test_study_refuses_too_few_rows() -> None:
    with pytest.raises(ValueError, match="label 1 must have at least 55 training rows, got 0"):
        draw_study(np.zeros(400, np.int64), None)


# Boxes


def make_rows(root: Path, *paths: str) -> Rows:
    one = np.ones(len(paths), np.int32)
    return Rows(root, np.array(paths), one, one, one * 8, np.full(len(paths), "png"))


def test_boxes_are_matched_and_sorted(tmp_path: Path) -> None:
    csv = tmp_path / "boxes.csv"
    csv.write_text(
        "path,x,y,w,h,label,is_abnormality\na.png,1,2,3,4,Cavity,1\na.png,5,6,7,8,Filling,0\n"
        "gone.png,1,1,1,1,Cavity,1\n"
    )

    first, second = read_boxes_csv(csv, make_rows(tmp_path, "a.png", "b.png"))
    np.testing.assert_array_equal(first.lesions, [[2, 1, 4, 3]])
    np.testing.assert_array_equal(first.others, [[6, 5, 8, 7]])
    assert len(second.lesions) == len(second.others) == 0


def test_boxes_refuse(tmp_path: Path) -> None:
    rows = make_rows(tmp_path, "a.png")
    csv = tmp_path / "boxes.csv"
    csv.write_text("path,x,y,w,h\nb.png,1,2,3,4\n")
    with pytest.raises(ValueError, match="must belong to images of the manifest, got none"):
        read_boxes_csv(csv, rows)
    csv.write_text("path,x,y,w,h\na.png,1,2,0,4\n")
    with pytest.raises(ValueError, match="must have finite x, y and positive w, h"):
        read_boxes_csv(csv, rows)
