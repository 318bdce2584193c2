"""What windows cover of boxes and of each other, by hand and against counted points."""

from __future__ import annotations

import numpy as np
import pytest

from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.report.overlap import PlacedWindows, pairs_of
from gca_dali.steps.windows import plan_views


def upright(*windows: tuple[float, float, float, float], shape=(100, 200)) -> PlacedWindows:
    placed = np.array([windows], np.float32)
    turns = np.tile([1.0, 0.0], (1, len(windows), 1))
    return PlacedWindows(placed, turns, np.array([shape], np.int32))


def turned(degrees: float, window=(20, 60, 40, 80), shape=(100, 200)) -> PlacedWindows:
    angle = np.deg2rad(degrees)
    turns = np.array([[[np.cos(angle), np.sin(angle)]]])
    return PlacedWindows(np.array([[window]], np.float32), turns, np.array([shape], np.int32))


def contains(placed: PlacedWindows, points: np.ndarray) -> np.ndarray:
    """Tell by cross products whether points [P, 2] lie in window 0 of image 0."""
    corners = placed.corners()[0, 0]
    edges = np.roll(corners, -1, axis=0) - corners
    relative = points[:, None] - corners
    crossed = edges[:, 0] * relative[..., 1] - edges[:, 1] * relative[..., 0]
    return (crossed <= 0).all(axis=1) | (crossed >= 0).all(axis=1)


def test_area_overlap_and_boxes_of_upright_windows_by_hand():
    placed = upright((0, 0, 50, 100), (25, 50, 50, 100))
    np.testing.assert_allclose(placed.area(), [[0.25, 0.25]])
    np.testing.assert_allclose(placed.pair_iou(), [[25 * 50 / (2 * 5000 - 25 * 50)]])
    np.testing.assert_allclose(placed.share_of_boxes(np.array([[0, 80, 10, 40]])), [[0.5, 0.0]])
    assert upright((0, 0, 10, 10), (50, 50, 9, 9)).pair_iou() == 0.0


def test_corners_go_clockwise_and_turn_about_the_centre():
    expected = [[20, 60], [20, 140], [60, 140], [60, 60]]
    np.testing.assert_allclose(upright((20, 60, 40, 80)).corners()[0, 0], expected)
    # A quarter turn takes the top left corner, 20 above and 40 left of (40, 100), to below left.
    quarter = turned(90).corners()[0, 0]
    np.testing.assert_allclose(quarter[0] - [40, 100], [-40, 20], atol=1e-5)


@pytest.mark.parametrize("degrees", [-170, -90, -45, -7, 0.5, 30, 45, 90, 133, 180])
def test_turned_windows_agree_with_counted_points(degrees):
    placed = turned(degrees)
    rng = np.random.default_rng(3)
    for _ in range(5):
        box = rng.uniform((0, 40, 5, 5), (60, 100, 40, 40), (1, 4))
        y, x = (np.arange(300) + 0.5) / 300 * box[0, 2:, None] + box[0, :2, None]
        points = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
        counted = contains(placed, points).mean()
        assert placed.share_of_boxes(box)[0, 0] == pytest.approx(counted, abs=0.01)


def test_overlap_of_turned_windows_agrees_with_counted_points():
    first, second = turned(30), turned(-20, (10, 80, 60, 60))
    pair = PlacedWindows(
        np.concatenate([first.windows, second.windows], axis=1),
        np.concatenate([first.turns, second.turns], axis=1),
        first.shapes,
    )
    points = np.moveaxis(np.mgrid[:400, :800], 0, -1).reshape(-1, 2) / 4 + 0.125
    a, b = contains(first, points), contains(second, points)
    assert pair.pair_iou()[0] == pytest.approx((a & b).sum() / (a | b).sum(), abs=0.01)


def test_turned_windows_of_a_plan_hold_what_the_kernel_says():
    policy = ViewPolicy.focus_contrast(rotation=1.0)
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 256, (6, 64, 64), dtype=np.uint8)
    shapes = np.array([[100, 200], [640, 640], [300, 200]] * 2, np.int32)
    plan = plan_views(maps, np.arange(6), shapes, (0, 0), policy)
    placed = PlacedWindows.from_plan(plan, shapes, policy)
    assert placed.are_turned.sum() >= 3  # what no turned window of 200 holds is searched upright
    for b in range(6):
        y, x = (np.mgrid[:512, :512].reshape(2, -1) + 0.5) / 512
        mass = maps[b][(y * 64).astype(int), (x * 64).astype(int)].astype(float)
        for v in range(2):
            place = (slice(b, b + 1), slice(v, v + 1))
            one = PlacedWindows(placed.windows[place], placed.turns[place], shapes[b : b + 1])
            inside = contains(one, np.stack([y * shapes[b, 0], x * shapes[b, 1]], axis=1))
            assert mass[inside].sum() / mass.sum() == pytest.approx(plan.retained[b, v], abs=0.01)


def test_pairs_are_those_of_all_windows_by_hand():
    placed = upright((0, 0, 50, 100), (25, 50, 50, 100), (0, 0, 50, 50))
    first, second = pairs_of(3)
    assert list(zip(first, second, strict=True)) == [(0, 1), (0, 2), (1, 2)]
    np.testing.assert_allclose(placed.pair_iou(), [[1250 / 8750, 0.5, 0.0]])


def test_windows_of_groups_turn_by_the_angles_of_their_group():
    (upright_group,) = ViewPolicy.random(num_views=1).groups
    (turned_group,) = ViewPolicy.focus_contrast(num_views=1, rotation=1.0, tau=0.0).groups
    policy = ViewPolicy((upright_group, turned_group))
    maps, shapes = np.full((9, 64, 64), 9, np.uint8), np.full((9, 2), 300, np.int32)
    placed = PlacedWindows.from_plan(
        plan_views(maps, np.arange(9), shapes, (0, 0), policy), shapes, policy
    )
    assert not placed.are_turned[:, 0].any() and placed.are_turned[:, 1].all()
    degrees = np.rad2deg(np.arctan2(placed.turns[:, 1, 1], placed.turns[:, 1, 0]))
    assert np.abs(degrees).max() <= 45.1 and np.abs(degrees).max() > 15
