"""The audit: what it counts against a plain loop, its command, and what it refuses."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
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
from gca_dali.steps.windows import plan_views
from make_images import put_csv, put_images

NO_BOX = np.zeros((0, 4))


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
    monkeypatch.setattr(audit_module, "NUM_DRAWS", 1_000)
    monkeypatch.setattr(audit_module, "BLOCK_SIZE", 16)


def test_gca_keeps_lesions_that_random_loses(dental, few_windows):
    manifest, boxes = dental
    names = ("gca", "gca_hold", "random", "searched")
    policies = {name: ViewPolicy.preset(name) for name in names}
    found = audit_policies(manifest, boxes, box_maps(manifest, boxes), policies)
    assert found.num_images == 30
    assert found.num_lesions == sum(len(image.lesions) for image in boxes)
    gca, hold, random, searched = (found.policies[name] for name in names)
    assert hold.below_tau == 0.0
    assert hold.kept > gca.kept > random.kept + 0.1
    assert gca.pairs_share > random.pairs_share + 0.15
    assert gca.mean_area == pytest.approx(random.mean_area, abs=0.02)
    assert searched.mean_area == pytest.approx(1 / 1.2**2, abs=0.01)


def common(first: np.ndarray, second: np.ndarray) -> float:
    """Return the common area of two rectangles y0, x0, height, width."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
    return np.maximum(high - low, 0).prod()


def test_counts_over_all_views_and_pairs_equal_those_of_a_plain_loop(
    dental, few_windows, monkeypatch
):
    monkeypatch.setattr(audit_module, "NUM_DRAWS", 1)
    manifest, boxes = dental
    policy, maps = ViewPolicy.gca_dino(), box_maps(manifest, boxes)
    found = audit_policies(manifest, boxes, maps, {"gca_dino": policy}, seed=5)
    from gca_dali.steps.saliency import load_saliency

    table = load_saliency(maps, manifest)
    rows = np.flatnonzero([len(image.lesions) > 0 for image in boxes])
    shapes = np.stack([manifest.height, manifest.width], axis=1)[rows]
    kept, areas, shared, overlaps = [], [], [], []
    for draw in range(found.num_draws):
        plan = plan_views(table.take(rows), rows, shapes, (5, draw), policy)
        for b, windows in enumerate(plan.windows_px(shapes).astype(np.float64)):
            held = []
            for window in windows:
                areas.append(window[2:].prod() / shapes[b].prod())
                lesions = boxes[rows[b]].lesions
                held.append([common(window, one) >= 0.9 * one[2:].prod() for one in lesions])
                kept += held[-1]
            for i, j in itertools.combinations(range(len(windows)), 2):
                shared.append(any(a and b for a, b in zip(held[i], held[j], strict=True)))
                both = common(windows[i], windows[j])
                each = windows[i, 2:].prod() + windows[j, 2:].prod()
                overlaps.append(both / (each - both))
    assert len(overlaps) == 45 * found.num_draws * len(rows)
    counted = found.policies["gca_dino"]
    assert counted.kept == pytest.approx(np.mean(kept))
    assert counted.mean_area == pytest.approx(np.mean(areas))
    assert counted.pairs_share == pytest.approx(np.mean(shared))
    assert counted.mean_pair_iou == pytest.approx(np.mean(overlaps))
    assert counted.below_tau == 0.0


def test_views_below_the_tau_of_their_group_are_counted(dental, few_windows):
    manifest, boxes = dental
    policy = ViewPolicy.random()
    maps = box_maps(manifest, boxes)
    assert audit_policies(manifest, boxes, maps, {"r": policy}).policies["r"].below_tau == 0.0
    # What `random` draws, judged by a tau that it does not obey.
    judged = ViewPolicy.gca_hold()
    judged.__dict__["laws"] = policy.laws
    below = audit_policies(manifest, boxes, maps, {"r": judged}).policies["r"].below_tau
    assert 0.2 < below < 0.7
    # A second group of as many views that no tau is asked of halves the share.
    (hold,), (free,) = judged.groups, policy.groups
    both = ViewPolicy((hold, free))
    both.__dict__["laws"] = ViewPolicy((free, free)).laws
    half = audit_policies(manifest, boxes, maps, {"r": both}).policies["r"].below_tau
    assert half == pytest.approx(below / 2, abs=1e-12)


def test_pairs_above_max_iou_are_counted_within_groups(dental, few_windows):
    manifest, boxes = dental
    maps = box_maps(manifest, boxes)
    (group,) = ViewPolicy.random(size_range=(0.5, 0.6)).groups
    # Two windows of half the image overlap by less than 0.9 easily, by less than 0.2 never; the
    # bound is not asked between groups.
    policies = {
        "none": ViewPolicy((group,)),
        "easy": ViewPolicy((group,)).replace(max_iou=0.9),
        "never": ViewPolicy((group,)).replace(max_iou=0.05),
        "apart": ViewPolicy((replace(group, num_views=1),) * 2).replace(max_iou=0.05),
    }
    found = audit_policies(manifest, boxes, maps, policies).policies
    assert "above_max_iou" not in found["none"].to_dict()
    assert found["easy"].above_max_iou == 0.0
    assert found["never"].to_dict()["above_max_iou"] > 0.5
    assert found["never"].mean_pair_iou < found["none"].mean_pair_iou - 0.1
    assert "above_max_iou" not in found["apart"].to_dict()


def test_a_single_view_has_no_pairs(dental, few_windows):
    manifest, boxes = dental
    policies = {"one": ViewPolicy.gca(num_views=1)}
    one = audit_policies(manifest, boxes, box_maps(manifest, boxes), policies).policies["one"]
    assert np.isnan(one.pairs_share) and np.isnan(one.mean_pair_iou) and one.kept > 0.8


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
        names = {"kept", "pairs_share", "mean_area", "below_tau", "mean_pair_iou"}
        assert set(counted) == names
        assert all(0.0 <= value <= 1.0 for value in counted.values())


@pytest.mark.parametrize("saliency", ["boxes", "centre", "mean"])
def test_person_is_told_what_the_saliency_is(xrays, saliency):
    arguments = (xrays / "images", "--boxes", xrays / "boxes.csv", "--policies", "random")
    result = run(*arguments, "--saliency", saliency)
    assert result.exit_code == 0, result.stderr
    assert ("simulated gaze" in result.stdout) == (saliency != "centre")
    assert "1 images without a" in result.stdout
    assert "gca" not in result.stdout.split("saliency")[0].split("random")[1]


def test_policies_are_presets_and_files_and_set_changes_each(xrays):
    ViewPolicy.gca_dino().save(xrays / "mine.toml")
    arguments = (xrays / "images", "--boxes", xrays / "boxes.csv", "--policies", "random")
    changes = ("--set", "size_range=1.0,1.0", "--set", "max_iou=0.5")
    result = run(*arguments, xrays / "mine.toml", *changes, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)["policies"]
    assert list(found) == ["random", str(xrays / "mine.toml")]
    for counted in found.values():
        assert counted["mean_area"] > 0.8 and counted["above_max_iou"] == 1.0


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
        (["{x}/images", "--boxes", "{x}/boxes.csv", "--policies", "gac"], 2, "Did you mean gca"),
        (["{x}/images", "--boxes", "{x}/boxes.csv", "--policy", "a.toml"], 1, "got a.toml"),
        (["{x}/images", "--boxes", "{x}/boxes.csv", "--set", "rho"], 2, "must be NAME=VALUE"),
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
