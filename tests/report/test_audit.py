"""What windows cover, by hand and against counted points, and the audit that counts it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gca_dali.cli.main import app
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.box_maps import box_maps
from gca_dali.gaze.boxes import ImageBoxes
from gca_dali.policy.view_policy import PRESETS, ViewPolicy
from gca_dali.report import audit as audit_module
from gca_dali.report.audit import audit_policies
from gca_dali.report.overlap import PlacedWindows
from gca_dali.steps.windows import plan_views
from make_images import put_csv, put_images

NO_BOX = np.zeros((0, 4))


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
    np.testing.assert_allclose(placed.pair_iou(), [25 * 50 / (2 * 5000 - 25 * 50)])
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
    plan = plan_views(maps, np.arange(6), shapes, (0, 0), policy, 2)
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


@pytest.fixture
def dental() -> tuple[Manifest, list[ImageBoxes]]:
    """Return 40 images of two sizes, of which every fourth has no lesion."""
    rng = np.random.default_rng(1)
    num = 40
    height, width = np.tile([400, 640], num // 2), np.tile([800, 640], num // 2)
    names = np.array([f"{i}.png" for i in range(num)])
    manifest = Manifest(Path(), names, height, width, np.full(num, 8), names)
    boxes = []
    for i in range(num):
        count = 0 if i % 4 == 0 else 1 + i % 3
        low = rng.uniform(0, 0.8, (count, 2)) * (height[i], width[i])
        boxes.append(ImageBoxes(np.column_stack([low, rng.uniform(10, 60, (count, 2))]), NO_BOX))
    return manifest, boxes


@pytest.fixture
def few_windows(monkeypatch):
    monkeypatch.setattr(audit_module, "NUM_WINDOWS", 2_000)
    monkeypatch.setattr(audit_module, "BLOCK_SIZE", 16)


def test_gca_keeps_lesions_that_random_loses(dental, few_windows):
    manifest, boxes = dental
    names = ("gca", "random", "searched")
    policies = {name: ViewPolicy.preset(name) for name in names}
    found = audit_policies(manifest, boxes, box_maps(manifest, boxes), policies)
    assert found.num_images == 30
    assert found.num_lesions == sum(len(image.lesions) for image in boxes)
    gca, random, searched = (found.policies[name] for name in names)
    assert gca.below_tau == 0.0
    assert gca.kept > random.kept + 0.1
    assert gca.mean_area == pytest.approx(random.mean_area, abs=0.05)
    assert searched.mean_area == pytest.approx(1 / 1.2**2, abs=0.01)


def test_counts_equal_those_of_a_plain_loop(dental, few_windows):
    manifest, boxes = dental
    policy, maps = ViewPolicy.gca(), box_maps(manifest, boxes)
    found = audit_policies(manifest, boxes, maps, {"gca": policy}, seed=5)
    from gca_dali.steps.saliency import load_saliency

    table = load_saliency(maps, manifest)
    rows = np.flatnonzero([len(image.lesions) > 0 for image in boxes])
    shapes = np.stack([manifest.height, manifest.width], axis=1)[rows]
    kept, areas = [], []
    for draw in range(found.num_draws):
        plan = plan_views(table.take(rows), rows, shapes, (5, draw), policy, 2)
        for b, windows in enumerate(plan.windows_px(shapes).astype(np.float64)):
            for y0, x0, height, width in windows:
                areas.append(height * width / shapes[b].prod())
                for y, x, h, w in boxes[rows[b]].lesions:
                    down = max(min(y + h, y0 + height) - max(y, y0), 0)
                    across = max(min(x + w, x0 + width) - max(x, x0), 0)
                    kept.append(down * across >= 0.9 * h * w)
    assert found.policies["gca"].kept == pytest.approx(np.mean(kept))
    assert found.policies["gca"].mean_area == pytest.approx(np.mean(areas))


def test_views_below_tau_are_counted(dental, few_windows, monkeypatch):
    manifest, boxes = dental
    policy = ViewPolicy.random()
    maps = box_maps(manifest, boxes)
    assert audit_policies(manifest, boxes, maps, {"r": policy}).policies["r"].below_tau == 0.0
    # What `random` draws, judged by a tau that it does not obey.
    law = policy.window_law
    judged = ViewPolicy.random(tau=0.9)
    judged.__dict__["window_law"] = law
    below = audit_policies(manifest, boxes, maps, {"r": judged}).policies["r"].below_tau
    assert 0.2 < below < 0.7


def test_nothing_to_audit_is_refused(dental):
    manifest, boxes = dental
    empty = [ImageBoxes(NO_BOX, NO_BOX)] * len(manifest)
    with pytest.raises(ValueError, match="at least one lesion in the 40 images, got none"):
        audit_policies(manifest, empty, "centre", {"gca": ViewPolicy.gca()})
    with pytest.raises(ValueError, match="policies must name at least one policy, got none"):
        audit_policies(manifest, boxes, "centre", {})


@pytest.fixture
def xrays(tmp_path, few_windows):
    put_images(tmp_path, "images/a.png", "images/b.png", "images/c.png")
    lines = ["path,x,y,w,h,label,is_abnormality", "images/a.png,1,1,2,1,Cavity,1"]
    lines += ["images/a.png,3,1,1,1,Filling,0", "images/b.png,0,0,1,1,Cavity,1"]
    put_csv(tmp_path, "\n".join(lines) + "\n", "boxes.csv")
    return tmp_path


def run(*arguments: object):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


def test_json_follows_the_contract(xrays):
    result = run(xrays / "images", "--boxes", xrays / "boxes.csv", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["images"], found["lesions"]) == (2, 2)
    assert list(found["policies"]) == list(PRESETS)
    for counted in found["policies"].values():
        assert set(counted) == {"kept", "mean_area", "below_tau", "mean_pair_iou"}
        assert all(0.0 <= value <= 1.0 for value in counted.values())


@pytest.mark.parametrize("saliency", ["boxes", "centre", "mean"])
def test_person_is_told_what_the_saliency_is(xrays, saliency):
    arguments = (xrays / "images", "--boxes", xrays / "boxes.csv", "--policies", "random")
    result = run(*arguments, "--saliency", saliency)
    assert result.exit_code == 0, result.stderr
    assert ("simulated gaze" in result.stdout) == (saliency != "centre")
    assert "1 images without a" in result.stdout
    assert "gca" not in result.stdout.split("saliency")[0].split("random")[1]


def test_folder_of_maps_and_its_mean(xrays):
    from gca_dali.gaze.map_folder import write_maps

    paths = ["a.png", "b.png", "c.png"]
    maps = [(path, np.ones((8, 8), np.float32)) for path in paths]
    write_maps(xrays / "maps", maps, paths, simulated=True)
    arguments = (xrays / "images", "--boxes", xrays / "boxes.csv", "--policies", "gca")
    for prefix in ("", "mean:"):
        result = run(*arguments, "--saliency", f"{prefix}{xrays / 'maps'}")
        assert result.exit_code == 0, result.stderr
        assert "simulated gaze" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{x}/nowhere", "--boxes", "{x}/boxes.csv"], 1, "must be an existing folder"),
        (["{x}/images", "--boxes", "{x}/nowhere.csv"], 1, "must be an existing file"),
        (["{x}/images", "--boxes", "{x}/bad.csv"], 1, "must have the columns path, x, y, w, h"),
        (["{x}/images", "--boxes", "{x}/text.csv"], 1, "must be a number, got 'left'"),
        (["{x}/images", "--boxes", "{x}/fine.csv"], 1, "at least one lesion in the 3 images"),
        (["{x}/images", "--boxes", "{x}/boxes.csv", "--policies", "no"], 1, "must be one of 'gca'"),
        (["{x}/images", "--boxes", "{x}/boxes.csv", "--saliency", "no"], 1, "existing folder of"),
        (["{x}/images", "--boxes", "{x}/boxes.csv", "--saliency", "{x}"], 1, "folder with index"),
        (["{x}/images", "--boxes", "{x}/boxes.csv", "--saliency", "none"], 2, "got none"),
        (["{x}/images"], 2, "Missing option"),
    ],
)
def test_bad_input_is_one_line(xrays, arguments, code, words):
    put_csv(xrays, "path,left,top\nimages/a.png,1,2\n", "bad.csv")
    put_csv(xrays, "path,x,y,w,h\nimages/a.png,left,2,3,4\n", "text.csv")
    put_csv(xrays, "path,x,y,w,h,is_abnormality\nimages/a.png,1,2,3,4,0\n", "fine.csv")
    result = run(*(argument.format(x=xrays) for argument in arguments))
    assert result.exit_code == code
    assert words in result.stderr
    if code == 1:
        assert result.stderr.count("\n") == 1
