"""The same awkward cases for every reader: each of them writes them in its own format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gca_dali.gaze.fixations import Fixations
from gca_dali.gaze.readers import read_fixations

# image, x, y, seconds, flag; a reader without durations or flags leaves them out.
Row = tuple[str, float, float, float, int]
SOUND: list[Row] = [("a", 10, 20, 0.2, 1), ("a", 30, 40, 0.3, 1), ("b", 5, 6, 0.2, 1)]


def write_miceye(folder: Path, rows: list[Row]) -> Path:
    images = dict.fromkeys(row[0] for row in rows)
    points = {name: [(x, y) for image, x, y, _, _ in rows if image == name] for name in images}
    path = folder / "log.csv"
    path.write_text("".join(f"{name};0;{points[name]};[];None\n" for name in images) or "\n")
    return path


def write_egd_cxr(folder: Path, rows: list[Row]) -> Path:
    lines = ["DICOM_ID,SESSION_ID,FPOGX,FPOGY,FPOGD,FPOGV,X_ORIGINAL,Y_ORIGINAL,BKID"]
    lines += [f"{name},s,0.5,0.5,{s},{flag},{x},{y}," for name, x, y, s, flag in rows]
    path = folder / "fixations.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_reflacx(folder: Path, rows: list[Row]) -> Path:
    lines = ["timestamp_start_fixation,timestamp_end_fixation,x_position,y_position,image,pupil"]
    lines += [f"1,{1 + s},{x},{y},{name}," for name, x, y, s, _ in rows]
    path = folder / "fixations.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_generic(folder: Path, rows: list[Row]) -> Path:
    lines = ["image,x,y,duration,valid,mood"]
    lines += [f"{name},{x},{y},{s},{flag}," for name, x, y, s, flag in rows]
    path = folder / "g.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


WRITERS = [write_miceye, write_egd_cxr, write_reflacx, write_generic]
Writer = Callable[[Path, list[Row]], Path]
each_format = pytest.mark.parametrize("write", WRITERS)
each_with_durations = pytest.mark.parametrize("write", WRITERS[1:])


def read(write: Writer, folder: Path, rows: list[Row]) -> Fixations:
    return read_fixations(write(folder, rows), "miceye" if write is write_miceye else "auto")


@each_format
def test_rows_come_out_in_pixels_y_before_x(write, tmp_path):
    fixations = read(write, tmp_path, SOUND)
    np.testing.assert_array_equal(fixations.points("a")[:, :2], [[20, 10], [40, 30]])
    assert fixations.images == ("a", "b") and not fixations.simulated


@each_format
def test_negative_and_off_image_rows_are_counted_and_not_used(write, tmp_path):
    away: list[Row] = [("a", -1, -1, 0.2, 1), ("a", -7, 5, 0.2, 1), ("a", 900, 5, 0.2, 1)]
    fixations = read(write, tmp_path, SOUND + away).with_sizes({"a": (100, 100), "b": (50, 50)})
    report = fixations.report
    assert (report.num_rows, report.num_valid, report.num_off_image) == (6, 3, 3)
    assert len(fixations.points("a")) == 2


@pytest.mark.parametrize("write", [write_egd_cxr, write_generic])
def test_flagged_rows_are_invalid(write, tmp_path):
    report = read(write, tmp_path, [*SOUND, ("c", 1, 1, 0.2, 0)]).report
    assert (report.num_valid, report.num_invalid, report.empty_images) == (3, 1, ("c",))


@each_format
def test_a_recording_without_rows_is_empty(write, tmp_path):
    fixations = read(write, tmp_path, [])
    assert len(fixations) == 0 and fixations.report.num_valid == 0


@each_with_durations
def test_milliseconds_are_refused(write, tmp_path):
    rows = [(name, x, y, 1000 * s, flag) for name, x, y, s, flag in SOUND]
    with pytest.raises(ValueError, match=r"must be seconds, got .* milliseconds. Divide them"):
        read(write, tmp_path, rows)


@each_format
def test_shares_of_the_image_are_refused(write, tmp_path):
    rows = [(name, x / 100, y / 100, s, flag) for name, x, y, s, flag in SOUND * 2]
    with pytest.raises(ValueError, match=r"must be image pixels, .* look like shares"):
        read(write, tmp_path, rows)


@each_with_durations
def test_columns_that_nobody_knows_are_reported(write, tmp_path):
    unused = read(write, tmp_path, SOUND).report.unused_columns
    assert {"BKID", "pupil", "mood"} & set(unused)


def test_images_that_were_read_twice_are_named_and_pooled(tmp_path):
    path = tmp_path / "g.csv"
    path.write_text(
        "image,x,y,duration,recording\na,1,2,0.2,r1\nb,1,2,0.2,r1\na,3,4,0.2,r2\na,5,6,0.2,r2\n"
    )
    fixations = read_fixations(path)
    assert fixations.report.repeated_images == ("a",) and len(fixations.points("a")) == 3
