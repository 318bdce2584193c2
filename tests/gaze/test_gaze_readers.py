"""Every reader on a sample in its published format, with the awkward cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gca_dali.gaze.readers import (
    detect_format,
    read_egd_cxr,
    read_fixations,
    read_generic,
    read_miceye,
    read_reflacx,
)

EGD_HEADER = (
    "DICOM_ID,SESSION_ID,CNT,Time (in secs),TIMETICK(f=10000000),FPOGX,FPOGY,FPOGS,FPOGD,FPOGID,"
    "FPOGV,X_ORIGINAL,Y_ORIGINAL"
)
REFLACX_HEADER = (
    "timestamp_start_fixation,timestamp_end_fixation,x_position,y_position,pupil_area_normalized,"
    "window_level,window_width,angular_resolution_x_pixels_per_degree,"
    "angular_resolution_y_pixels_per_degree,xmin_shown_from_image,ymin_shown_from_image,"
    "xmax_shown_from_image,ymax_shown_from_image,xmin_in_screen_coordinates,"
    "ymin_in_screen_coordinates,xmax_in_screen_coordinates,ymax_in_screen_coordinates"
)


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def reflacx_row(start: float, end: float, x: str, y: str, shown: str = "0,0,2000,3000") -> str:
    return f"{start},{end},{x},{y},1.1,0.5,1.0,90,94,{shown},661,0,3180,2160"


# MicEye


def test_miceye_samples_last_one_ninetieth_of_a_second(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "knee1.png;2;[(10, 20), (30, 40)];[(1, 2, 3, 4)];(5, 6)")
    fixations = read_miceye(path)
    np.testing.assert_array_equal(fixations.points("knee1.png")[:, :2], [[20, 10], [40, 30]])
    np.testing.assert_allclose(fixations.duration_seconds, 1 / 90)
    assert not fixations.simulated


def test_miceye_list_points_negative_lost_and_empty(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.csv",
        "a.png;0;[[5, 6], [-3, 8], [7, -1], None, [nan, 4]];[];None",
        "b.png;1;[];[];None",
        "",
        "a.png;0;[[9, 9]];[];None",
    )
    report = read_miceye(path).report
    assert (report.num_rows, report.num_valid) == (6, 2)
    assert (report.num_off_image, report.num_invalid) == (2, 2)
    assert report.empty_images == ("b.png",)
    assert report.repeated_images == ("a.png",)
    assert report.unused_columns == ("class", "boxes", "keypoint")


@pytest.mark.parametrize(
    "line", ["a.png;0", "a.png;0;(3, 4", "a.png;0;[(3,)];[];None", "a;0;open('x')", "a;0;7"]
)
def test_miceye_refuses_a_line_of_another_form(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "log.csv", "ok.png;0;[(1, 1)];[];None", line)
    with pytest.raises(ValueError, match=r"log.csv line 2 must be image;class"):
        read_miceye(path)


def test_miceye_refuses_a_rate_of_zero(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sample_rate_hz must be positive, got 0"):
        read_miceye(write(tmp_path / "log.csv", "a;0;[];[];None"), sample_rate_hz=0)


# EGD-CXR


def test_egd_cxr_original_pixels(tmp_path: Path) -> None:
    path = write(
        tmp_path / "fixations.csv",
        EGD_HEADER,
        "d1,s1,1,0.5,1,0.4,0.5,0.1,0.25,1,1,100,200",
        "d1,s1,2,0.9,2,0.9,0.5,0.4,0.30,2,1,-1,-1",
        "d1,s1,3,1.2,3,0.4,0.5,0.8,0.20,3,0,101,201",
        "d1,s2,1,0.5,1,0.4,0.5,0.1,0.15,1,1,110,210",
    )
    fixations = read_egd_cxr(path)
    np.testing.assert_allclose(fixations.points("d1"), [[200, 100, 0.25], [210, 110, 0.15]])
    report = fixations.report
    assert (report.num_off_image, report.num_invalid) == (1, 1)
    assert report.repeated_images == ("d1",)
    assert "CNT" in report.unused_columns and "FPOGD" not in report.unused_columns


def test_egd_cxr_from_screen_shares(tmp_path: Path) -> None:
    path = write(
        tmp_path / "fixations.csv",
        "DICOM_ID,FPOGX,FPOGY,FPOGD,FPOGV",
        "d1,0.5,0.5,0.2,1",
        "d1,0.05,0.5,0.2,1",
        "other,0.5,0.5,0.2,1",
    )
    sheet = write(
        tmp_path / "master_sheet.csv",
        "dicom_id,image_top_pad,image_bottom_pad,image_left_pad,image_right_pad",
        "d1,0,0,420,420",
    )
    fixations = read_egd_cxr(path, master_sheet=sheet, sizes={"d1": (2160, 2160)})
    # 1080×1080 of the screen show 2160×2160 pixels, so the middle falls on the middle.
    np.testing.assert_allclose(fixations.points("d1"), [[1080, 1080, 0.2]])
    assert fixations.report.num_off_image == 1
    assert fixations.report.empty_images == ("other",)


def test_egd_cxr_refuses_screen_pixels_and_missing_sheet(tmp_path: Path) -> None:
    header = "DICOM_ID,FPOGX,FPOGY,FPOGD"
    pixels = write(tmp_path / "a.csv", header, "d1,960,540,0.2", "d1,800,500,0.2")
    with pytest.raises(ValueError, match="must be shares of the screen"):
        read_egd_cxr(pixels)
    shares = write(tmp_path / "b.csv", header, "d1,0.5,0.5,0.2")
    with pytest.raises(ValueError, match="or come with a master sheet, got neither"):
        read_egd_cxr(shares)


# REFLACX


def make_reflacx(tmp_path: Path) -> Path:
    folder = tmp_path / "main_data"
    write(
        folder / "metadata_phase_1.csv",
        "id,split,eye_tracking_data_discarded,image,dicom_id,image_size_x,image_size_y",
        "P1,train,False,files/p1/x.dcm,d1,2000,3000",
        "P2,train,False,files/p1/x.dcm,d1,2000,3000",
        "P3,train,False,files/p2/y.dcm,d2,2000,3000",
        "P4,train,True,files/p3/z.dcm,d3,2000,3000",
    )
    write(
        folder / "P1" / "fixations.csv",
        REFLACX_HEADER,
        reflacx_row(0.5, 0.9, "100", "200"),
        reflacx_row(1.0, 1.1, "500", "2500", shown="0,0,2000,2000"),
        reflacx_row(1.2, 1.2, "500", "500"),
        reflacx_row(1.3, 1.5, "-40", "500"),
        reflacx_row(1.6, 1.8, "", ""),
    )
    write(folder / "P2" / "fixations.csv", REFLACX_HEADER, reflacx_row(2, 2.5, "7", "8"))
    write(folder / "P3" / "fixations.csv", REFLACX_HEADER)
    return folder


def test_reflacx_folder(tmp_path: Path) -> None:
    fixations = read_reflacx(make_reflacx(tmp_path))
    np.testing.assert_allclose(fixations.points("d1"), [[200, 100, 0.4], [8, 7, 0.5]], atol=1e-9)
    report = fixations.report
    # Off: below the shown part, left of the image. Invalid: no duration, no position.
    assert (report.num_rows, report.num_off_image, report.num_invalid) == (6, 2, 2)
    assert report.num_discarded == 1
    assert report.empty_images == ("d2",)
    assert report.repeated_images == ("d1",)
    np.testing.assert_array_equal(fixations.pixels_per_degree[0], [94, 90])
    assert "pupil_area_normalized" in report.unused_columns


def test_reflacx_single_file_is_named_after_its_folder(tmp_path: Path) -> None:
    folder = make_reflacx(tmp_path)
    assert read_reflacx(folder / "P2" / "fixations.csv").images == ("P2",)


def test_reflacx_refuses_milliseconds(tmp_path: Path) -> None:
    path = write(tmp_path / "P9" / "f.csv", REFLACX_HEADER, reflacx_row(500, 900, "1", "2"))
    with pytest.raises(ValueError, match=r"look like milliseconds. Divide them by 1000"):
        read_reflacx(path)


def test_reflacx_refuses_a_folder_without_metadata(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="must hold metadata_phase"):
        read_reflacx(tmp_path)


# Generic CSV


def test_generic_reads_valid_flags_and_reports_other_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path / "g.csv",
        "image,x,y,duration,valid,pupil",
        "a.png,1,2,0.3,1,3.1",
        "a.png,5,6,0.4,0,3.2",
        "b.png,-5,6,0.4,1,3.2",
    )
    fixations = read_generic(path)
    np.testing.assert_allclose(fixations.points("a.png"), [[2, 1, 0.3]])
    report = fixations.report
    assert (report.num_valid, report.num_invalid, report.num_off_image) == (1, 1, 1)
    assert report.empty_images == ("b.png",)
    assert report.unused_columns == ("pupil",)


def test_generic_save_round_trip_keeps_the_simulated_mark(tmp_path: Path) -> None:
    path = write(
        tmp_path / "g.csv",
        "image,x,y,duration,recording,simulated",
        "a.png,1.25,2.5,0.3,r1,1",
        "b.png,,,,r1,1",
    )
    first = read_generic(path)
    assert first.simulated
    first.save(tmp_path / "again.csv")
    again = read_generic(tmp_path / "again.csv")
    np.testing.assert_allclose(again.points("a.png"), first.points("a.png"))
    assert again.simulated and again.report.empty_images == ("b.png",)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a,1,2,300", "a,5,6,180"], "durations in .*g.csv must be seconds, got median 240"),
        (["a,1,2,0.3", "a,5,6,0.2", "a,5,6,240"], "maximum 240, which look like milliseconds"),
        (["a,1,2,0.0003", "a,5,6,0.0002"], "shorter than one sample"),
        (["a,1,2,long"], "duration in .*g.csv line 2 must be a number, got 'long'"),
        (["a,0.1,0.2,0.3"] * 4, "must be image pixels, got values between 0 and 1"),
    ],
)
def test_generic_refuses_wrong_units(tmp_path: Path, rows: list[str], message: str) -> None:
    path = write(tmp_path / "g.csv", "image,x,y,duration", *rows)
    with pytest.raises(ValueError, match=message):
        read_generic(path)


def test_generic_refuses_unknown_missing_and_repeated_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "g.csv", "image,x,y,duration_ms", "a,1,2,300")
    with pytest.raises(ValueError, match=r"got image, x, y, duration_ms. Add or rename duration"):
        read_generic(path)
    path = write(tmp_path / "h.csv", "image,x,x,duration", "a,1,2,300")
    with pytest.raises(ValueError, match="must name each column once, got x twice"):
        read_generic(path)


def test_generic_refuses_a_mix_of_simulated_and_recorded(tmp_path: Path) -> None:
    path = write(tmp_path / "g.csv", "image,x,y,duration,simulated", "a,1,2,0.3,1", "a,1,2,0.3,0")
    with pytest.raises(ValueError, match=r"simulated in .* must be the same in every row"):
        read_generic(path)


def test_generic_header_alone_is_an_empty_recording(tmp_path: Path) -> None:
    fixations = read_generic(write(tmp_path / "g.csv", "image,x,y,duration"))
    assert len(fixations) == 0 and fixations.report.num_rows == 0 and fixations.images == ()


# Choice of the format


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (EGD_HEADER, "egd-cxr"),
        (REFLACX_HEADER, "reflacx"),
        ("image,x,y,duration", "generic"),
        ("a.png;0;[(1, 2)];[];None", "miceye"),
    ],
)
def test_detect_format(tmp_path: Path, line: str, expected: str) -> None:
    path = write(tmp_path / "f.csv", line)
    assert detect_format(path) == expected
    read_fixations(path)


def test_detect_format_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a MicEye, EGD-CXR, REFLACX or generic"):
        detect_format(write(tmp_path / "f.csv", "file,left,top"))
    with pytest.raises(FileNotFoundError, match="must be an existing file"):
        detect_format(tmp_path / "absent.csv")
    with pytest.raises(ValueError, match="format must be one of auto, miceye"):
        read_fixations(tmp_path / "f.csv", "tobii")
    with pytest.raises(ValueError, match="must have a header line, got an empty file"):
        read_generic(write(tmp_path / "empty.csv", ""))
