"""Positions that are shares of the image: recognised, refused with the way out, or scaled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gca_dali.cli.gaze import app
from gca_dali.gaze.matching import ImageSizes
from gca_dali.gaze.readers import read_fixations
from gca_dali.gaze.units import are_shares
from make_images import put_images

SIZES = {"a.png": (100, 200)}
GLANCES = np.random.default_rng(0).normal(0.5, 0.15, (40, 2))


def write(
    folder: Path, points: list[tuple[float, float]] | np.ndarray, name: str = "a.png"
) -> Path:
    rows = [f"{name},{x},{y},0.3" for x, y in points]
    path = folder / "g.csv"
    path.write_text("\n".join(["image,x,y,duration", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    "beside", [[], [(1.02, 0.4)], [(-0.08, 0.4), (0.3, -0.05)], [(0, 0)] * 60, [(-3, 40)] * 3]
)
def test_shares_are_refused_though_some_glances_lie_beside_the_image(tmp_path, beside):
    path = write(tmp_path, [*GLANCES.tolist(), *beside])
    with pytest.raises(ValueError, match=r"must be image pixels, .* by --positions shares \(posit"):
        read_fixations(path)


@pytest.mark.parametrize(
    ("points", "found"),
    [
        ([(0.5, 0.25), (0.1, 0.9)], True),
        ([(0.5, 0.25)], False),
        ([(0, 1), (1, 0), (1, 1)], False),
        ([(0.5, 0.5), (3.5, 2.5), (8.5, 7.5)], False),
        ([(np.nan, np.nan)] * 3, False),
        ([], False),
    ],
)
def test_what_shares_are(points, found):
    x, y = np.array(points, float).reshape(-1, 2).T
    assert are_shares(x, y) == found


def test_shares_are_scaled_by_the_size_of_their_image(tmp_path):
    points = [(0.5, 0.25), (1.02, 0.5), (-0.1, 0.5), (0, 0)]
    fixations = read_fixations(write(tmp_path, points), positions="shares", sizes=SIZES)
    np.testing.assert_allclose(fixations.x_px, [100, 204, -20, 0])
    np.testing.assert_allclose(fixations.y_px, [25, 50, 50, 0])
    report = fixations.with_sizes(SIZES).report
    assert (report.num_valid, report.num_off_image) == (2, 2)


def test_rows_of_unknown_images_are_invalid(tmp_path):
    fixations = read_fixations(write(tmp_path, GLANCES, "b"), positions="shares", sizes=SIZES)
    assert fixations.report.num_invalid == len(GLANCES)


def test_what_does_not_go_with_shares_is_refused(tmp_path):
    path = write(tmp_path, [(50, 60), (70, 80)])
    with pytest.raises(ValueError, match=r"must be shares of the image .* got values up to 80"):
        read_fixations(path, positions="shares", sizes=SIZES)
    with pytest.raises(ValueError, match="sizes must be given for positions='shares'"):
        read_fixations(path, positions="shares")
    with pytest.raises(ValueError, match="positions must be one of 'pixels', 'shares', got 'mm'"):
        read_fixations(path, positions="mm")
    path.write_text("a;0;[(0.1, 0.2)];[];None\n")
    with pytest.raises(ValueError, match="'pixels' for a recording of miceye, got 'shares'"):
        read_fixations(path, positions="shares", sizes=SIZES)


def test_sizes_are_found_by_the_names_of_a_recording():
    sizes = ImageSizes(["one/a.png", "two/b.png"], np.array([3, 5]), np.array([4, 6]))
    assert (sizes["a.dcm"], sizes["two\\b.png"]) == ((3, 4), (5, 6))
    assert sizes.get("c") is None and len(sizes) == len(list(sizes)) == 2


def test_the_command_is_told_by_its_option(tmp_path):
    put_images(tmp_path / "xrays", "a.png")
    path = write(tmp_path, [(0.5, 0.5), (0.6, 0.5), (0.4, 1.2)], "a.dcm")
    arguments = ["maps", str(path), str(tmp_path / "xrays"), "--out", str(tmp_path / "maps")]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 1 and "--positions shares" in refused.output
    done = CliRunner().invoke(app, [*arguments, "--positions", "shares", "--json"])
    assert done.exit_code == 0, done.output
    counts = json.loads(done.stdout)
    assert (counts["maps"], counts["num_valid"], counts["num_off_image"]) == (1, 2, 1)
