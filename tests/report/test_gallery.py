"""`gca-dali preview --policies`: the same images and maps in each row, each policy's own views."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor
from typer.testing import CliRunner

from gca_dali.cli.main import app
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.predictor import GazePredictor
from gca_dali.phantoms import write_phantoms
from gca_dali.policy.view_policy import PRESETS, ViewPolicy
from gca_dali.report.preview.gallery import (
    LABEL_PX,
    MARGIN_PX,
    ROW_GAP_PX,
    STRIP_PX,
    TOP_PX,
    draw_gallery,
    make_grid,
)
from gca_dali.report.preview.layout import CAPTION_PX, GAP_PX
from gca_dali.report.preview.make import PreviewMaker
from gca_dali.report.preview.paint import cut, font, wrap
from gca_dali.report.preview.style import describe_preset, view_colour

FIRST_ROW_PX = TOP_PX + STRIP_PX + CAPTION_PX + ROW_GAP_PX


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory) -> Path:
    return write_phantoms(
        tmp_path_factory.mktemp("phantoms"), 5, kind="knee", height=120, width=160
    )


@pytest.fixture(scope="module")
def previews(phantoms):
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    makers = {
        name: PreviewMaker(manifest, ViewPolicy.preset(name, size=48), phantoms / "maps")
        for name in ("gca", "gca_dino", "random")
    }
    return [maker.make(2, name, "What it does.") for name, maker in makers.items()]


def run(*arguments: object):
    return CliRunner().invoke(app, ["preview", *map(str, arguments)])


def test_each_row_shows_the_views_of_its_policy(previews):
    sheet = np.asarray(draw_gallery(previews, "title", "subtitle"))
    grids = [make_grid(preview) for preview in previews]
    column = max(grid.inner_width for grid in grids)
    top, line = FIRST_ROW_PX, 4  # views are compared inside of their frames
    for preview, grid in zip(previews, grids, strict=True):
        for n, sample in enumerate(preview.samples):
            left = MARGIN_PX + LABEL_PX + n * (column + 36)
            _, *cells = grid.place(left, top)
            for v, (cell, pixels) in enumerate(zip(cells, sample.views, strict=True)):
                shown = sheet[cell.top : cell.top + cell.height, cell.left : cell.left + cell.width]
                expected = Image.fromarray(pixels).resize(cell[2:], Image.Resampling.BICUBIC)
                inside = slice(line, -line)
                np.testing.assert_array_equal(
                    shown[inside, inside, 0], np.asarray(expected)[inside, inside]
                )
                assert tuple(shown[0, 0]) == ImageColor.getrgb(view_colour(v))
        top += grid.height + ROW_GAP_PX
    assert top < sheet.shape[0] <= top + 60


def test_local_views_stand_in_one_line_under_the_globals(previews):
    grid = make_grid(previews[1])
    windows, *views = grid.cells
    assert {cell.top for cell in (windows, *views[:2])} == {0}
    assert len({cell.top for cell in views[2:]}) == 1 and views[2].top > STRIP_PX
    assert views[-1].left + views[-1].width <= grid.inner_width


def test_a_long_text_makes_a_higher_row(previews):
    from dataclasses import replace

    wordy = [replace(one, subtitle="a few words more " * 30) for one in previews]
    plain, higher = (draw_gallery(which, "", "") for which in (previews, wordy))
    assert higher.height > plain.height and higher.width == plain.width


def test_words_are_broken_into_lines_that_fit():
    lines = wrap("windows around a shared attended point antidisestablishmentarianism", 120)
    assert len(lines) > 2 and lines[-1].endswith("…")
    assert all(font(13).getlength(line) <= 120 for line in lines)
    assert " ".join(lines[:-1]) == "windows around a shared attended point"
    assert cut("area 0.2–1", 200) == "area 0.2-1", "the font has no dash"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_its_sentence(name):
    told = describe_preset(name, ViewPolicy.preset(name))
    assert told.endswith(".") and len(told) > 20


def test_a_policy_of_a_file_is_told_by_its_promise():
    told = describe_preset("mine.toml", ViewPolicy.gca_focus())
    assert told == "windows around a shared attended point"


def test_command_compares_presets_and_files(phantoms, tmp_path):
    ViewPolicy.gca(rho=0.5).save(tmp_path / "mine.toml")
    arguments = ["--saliency", phantoms / "maps", "--boxes", phantoms / "boxes.csv", "--size", 32]
    names = ["gca", tmp_path / "mine.toml", "random"]
    out = tmp_path / "deep" / "gallery.png"
    result = run(phantoms / "labels.csv", "--policies", *names, *arguments, "--out", out, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["policies"] == list(map(str, names)) and len(told["images"]) == 2
    with Image.open(out) as sheet:
        assert sheet.mode == "RGB" and sheet.height > FIRST_ROW_PX + 3 * STRIP_PX


def test_a_map_is_predicted_once_for_all_policies(phantoms, tmp_path, monkeypatch):
    predicted: list[int] = []
    make_maps = GazePredictor.make_maps

    def counted(predictor, images):
        predicted.append(len(images))
        return make_maps(predictor, images)

    monkeypatch.setattr(GazePredictor, "make_maps", counted)
    arguments = ["--saliency", "knee", "--size", 32, "--num-images", 1]
    result = run(
        phantoms / "labels.csv", "--policies", "gca", "gca_hold", *arguments, "--out",
        tmp_path / "a.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert predicted == [1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--policies", "gca", "random", "--out", "a.html"], 1, "out must end in .png, got a.html"),
        (["--policies", "gca", "gac"], 2, "Did you mean gca?"),
        (["--policies", "gca", "--num-images", "0"], 1, "num_images must be 1 to 100, got 0"),
        (["--policies", "random", "gca", "--saliency", "none"], 1, "saliency must be given"),
        (["--policies", "nowhere.toml"], 1, "policy must be a preset or a file"),
    ],
)
def test_bad_input_is_one_line(phantoms, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    result = run(phantoms / "labels.csv", *arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1 or code == 2
    assert not list(tmp_path.iterdir())


def test_header_shows_image_and_map_beside_each_other(previews):
    sheet = np.asarray(draw_gallery(previews, "", ""))
    width = make_grid(previews[0]).image_width
    left = MARGIN_PX + LABEL_PX
    plain = sheet[TOP_PX : TOP_PX + STRIP_PX, left : left + width].astype(int)
    heated = sheet[TOP_PX : TOP_PX + STRIP_PX, left + width + GAP_PX :][:, :width].astype(int)
    assert (np.ptp(plain, axis=2) < 30).all(), "grey but for the tint of the panel"
    assert (np.ptp(heated, axis=2) > 60).any()
