"""Screen to image, and names of a recording to files of a manifest."""

from __future__ import annotations

import numpy as np
import pytest

from gca_dali.gaze.fixations import Fixations, build_fixations
from gca_dali.gaze.matching import match_images
from gca_dali.gaze.screen import ScreenPlacement

PATHS = ["one/a.png", "one/b.png", "two/b.png", "two/c.dcm"]
HEIGHTS, WIDTHS = np.array([10, 10, 20, 30]), np.array([10, 10, 20, 40])


def recorded(*rows: tuple[str, float, float]) -> Fixations:
    columns = {
        "image": np.array([row[0] for row in rows]),
        "y_px": np.array([row[1] for row in rows]),
        "x_px": np.array([row[2] for row in rows]),
        "duration_seconds": np.full(len(rows), 0.2),
    }
    return build_fixations(columns, source="test")


def test_placement_by_hand() -> None:
    # Rows 100–200 of the image fill 50 screen rows from 10 on: two image pixels per screen pixel.
    place = ScreenPlacement((10, 20, 50, 40), (100, 0, 100, 40))
    y_px, x_px, shown = place.to_image(np.array([10, 35, 60]), np.array([20, 30, 30]))
    np.testing.assert_allclose(y_px, [100, 150, 200])
    np.testing.assert_allclose(x_px, [0, 10, 10])
    np.testing.assert_array_equal(shown, [True, True, False])


def test_placement_refuses_an_empty_rectangle() -> None:
    with pytest.raises(ValueError, match=r"on_screen must be .* positive height and width"):
        ScreenPlacement.from_padding((600, 600, 0, 0), (1080, 1920), (100, 100))


def test_match_by_path_name_and_stem() -> None:
    fixations = recorded(("two/b.png", 1, 1), ("a.png", 1, 1), ("c", 1, 1), ("x.png", 1, 1))
    matched = match_images(fixations, PATHS, HEIGHTS, WIDTHS)
    assert matched.fixations.image.tolist() == ["two/b.png", "one/a.png", "two/c.dcm"]
    np.testing.assert_array_equal(matched.rows, [0, 2, 3])
    assert matched.unmatched == ("x.png",)


def test_match_reads_windows_paths() -> None:
    matched = match_images(recorded(("one\\b.png", 1, 1)), PATHS, HEIGHTS, WIDTHS)
    assert matched.fixations.images == ("one/b.png",)


@pytest.mark.parametrize(
    ("name", "paths", "row"),
    [
        ("a.dcm", ["x/a.png"], 0),
        ("a.DCM", ["x/b.png", "x/a.jpeg"], 1),
        ("one/a.dcm", ["two/a.png", "one/a.png"], 1),
        ("a.png", ["one/a.png", "two/a.dcm"], 0),
        ("1.2.840.7", ["1.2.840.7.png", "1.2.840.8.png"], 0),
        ("1.2.840.7.dcm", ["1.2.840.8", "1.2.840.7"], 1),
    ],
)
def test_match_by_stem_though_the_suffix_differs(name, paths, row) -> None:
    sides = np.full(len(paths), 10)
    assert match_images(recorded((name, 1, 1)), paths, sides, sides).rows.tolist() == [row]


def test_match_by_stem_refuses_what_is_not_certain() -> None:
    sides = np.array([10, 10])
    with pytest.raises(ValueError, match=r"'a.dcm' .* must fit one file, got a.png and a.jpg"):
        match_images(recorded(("a.dcm", 1, 1)), ["a.png", "a.jpg"], sides, sides)
    with pytest.raises(ValueError, match=r"got 'a.dcm' and 'a.png' for a.png"):
        match_images(recorded(("a.dcm", 1, 1), ("a.png", 1, 1)), ["a.png", "b.png"], sides, sides)
    # The last number of a UID is no suffix.
    with pytest.raises(ValueError, match=r"must be files of the manifest, got '1\.2\.840\.9'"):
        match_images(recorded(("1.2.840.9", 1, 1)), ["1.2.840.png", "b.png"], sides, sides)


def test_match_sets_aside_what_lies_beyond_the_image() -> None:
    fixations = recorded(("a.png", 9.9, 9.9), ("a.png", 10, 5), ("a.png", 5, 10), ("a.png", -1, 1))
    matched = match_images(fixations, PATHS, HEIGHTS, WIDTHS).fixations
    assert matched.report.num_valid == 1
    assert matched.report.num_off_image == 3
    np.testing.assert_allclose(matched.points("one/a.png")[:, :2], [[9.9, 9.9]])


def test_match_refuses_doubtful_names() -> None:
    with pytest.raises(ValueError, match=r"'b.png' .* must fit one file, got one/b.png and two/b"):
        match_images(recorded(("b.png", 1, 1)), PATHS, HEIGHTS, WIDTHS)
    with pytest.raises(ValueError, match=r"got 'a.png' and 'one/a.png' for one/a.png"):
        match_images(recorded(("a.png", 1, 1), ("one/a.png", 1, 1)), PATHS, HEIGHTS, WIDTHS)
    with pytest.raises(ValueError, match="must be files of the manifest, got 'zz'"):
        match_images(recorded(("zz", 1, 1)), PATHS, HEIGHTS, WIDTHS)
