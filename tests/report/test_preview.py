"""Previews: the views are the loader's, the pictures show them, bad input is named."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image, ImageColor
from typer.testing import CliRunner

from gca_dali.cli.main import app
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.boxes import read_boxes_csv
from gca_dali.phantoms import write_phantoms
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.report.preview.make import PreviewMaker
from gca_dali.report.preview.png import PANEL_PX, draw_sheet
from gca_dali.report.preview.save import save_preview
from gca_dali.report.preview.style import describe_view, heat, view_colour


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    return write_phantoms(
        tmp_path_factory.mktemp("phantoms"), 6, kind="knee", height=120, width=160
    )


@pytest.fixture(scope="module")
def manifest(phantoms) -> Manifest:
    return Manifest.from_csv(phantoms / "labels.csv")


@pytest.fixture(scope="module")
def made(phantoms, manifest):
    policy = ViewPolicy.focus_contrast(size=48, rotation=1.0)
    boxes = read_boxes_csv(phantoms / "boxes.csv", manifest)
    maker = PreviewMaker(manifest, policy, phantoms / "maps", boxes, num_views=3)
    return maker.make(2, "title <1>", "subtitle")


def test_views_are_those_of_a_loader(phantoms, manifest, made):
    from gca_dali import GCALoader

    policy = ViewPolicy.focus_contrast(size=48, rotation=1.0)
    loader = GCALoader(
        manifest, policy, phantoms / "maps", batch_size=6, num_views=3, device="cpu", shuffle=False
    )
    batch = next(iter(loader))
    for sample in made.samples:
        row = manifest.path.tolist().index(sample.path)
        for v, facts in enumerate(sample.facts):
            brightness = batch.views[v][row, 0].numpy() * policy.deviation + policy.mean
            np.testing.assert_allclose(sample.views[v], 255 * brightness, atol=0.51)
            assert facts.retained == batch.retained[row, v]


def test_images_are_spread_over_the_rows(manifest, made):
    assert [sample.path for sample in made.samples] == [manifest.path[0], manifest.path[5]]


def test_facts_tell_what_the_views_show(made):
    facts = [one for sample in made.samples for one in sample.facts]
    views = [view for sample in made.samples for view in sample.views]
    assert {one.cut for one in facts} == {True, False}
    assert {one.masked for one in facts} == {True, False}
    for one, view in zip(facts, views, strict=True):
        if one.cut:
            assert (view == 0).sum() >= 10 * 10  # 48 of 224 pixels, as a share of 48
        assert ("gaze mask" in describe_view(one)[1]) == one.masked
    upright = replace(facts[0], degrees=0.0, grown=True, flipped=False, masked=False, cut=False)
    assert describe_view(replace(upright, retained=0.9, area=0.5)) == (
        "keeps 90 % in 50 % of the area",
        "grown",
    )


def test_sixteen_bits_are_shown_over_their_whole_range(tmp_path):
    # A scanner that leaves the upper half of 16 bits empty.
    ramp = np.linspace(1000, 30_000, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    maker = PreviewMaker(Manifest.from_folder(tmp_path), ViewPolicy.random(size=32), None)
    sample = maker.make_sample(0)
    assert (sample.image.min(), sample.image.max()) == (0, 255)
    assert sample.bits == 16
    assert len(np.unique(sample.image)) == 256


def test_sheet_has_a_column_per_view_in_its_colour(made):
    sheet = draw_sheet(made)
    pixels = np.asarray(sheet)
    assert pixels.ndim == 3
    assert sheet.height > 2 * PANEL_PX
    assert sheet.width > 3 * PANEL_PX
    for view in range(3):
        colour = ImageColor.getrgb(view_colour(view))
        columns = np.flatnonzero((pixels == colour).all(axis=2).any(axis=0))
        # The frame of the view; its window lies further left, on the image.
        frame = (pixels == colour).all(axis=2).sum(axis=0)
        assert (frame >= 2 * PANEL_PX).sum() >= 6
        assert columns.min() < np.flatnonzero(frame >= 2 * PANEL_PX).min() - 50


def test_windows_are_drawn_where_they_lie(made):
    sample = replace(
        made.samples[0],
        corners=np.array([[[30, 40], [30, 120], [90, 120], [90, 40.0]]]),
        views=made.samples[0].views[:1],
        facts=made.samples[0].facts[:1],
        lesions=np.zeros((0, 4)),
    )
    pixels = np.asarray(draw_sheet(replace(made, samples=(sample,))))
    colour = ImageColor.getrgb(view_colour(0))
    rows, columns = np.nonzero((pixels == colour).all(axis=2)[:, : -PANEL_PX - 40])
    inside = rows > 110  # below the heading, which has the colour too
    height, width = np.ptp(rows[inside]), np.ptp(columns[inside])
    scale = min(PANEL_PX / 120, 360 / 160)
    assert height == pytest.approx(60 * scale, abs=5)
    assert width == pytest.approx(80 * scale, abs=5)


def test_heat_covers_more_where_there_is_more():
    colours, cover = heat(np.linspace(0, 1, 11))
    assert cover[0] == 0.0
    assert (np.diff(cover) > 0).all()
    assert colours.shape == (11, 3)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "i"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag != "i":
            assert self.open.pop() == tag


def test_page_is_whole_and_self_contained(made, tmp_path):
    save_preview(made, tmp_path / "deep" / "a.html")
    page = (tmp_path / "deep" / "a.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert "http" not in page
    assert "title &lt;1&gt;" in page
    names = [tag for tag, _ in reader.tags]
    assert names.count("polygon") == names.count("img") == 6
    num_lesions = sum(len(sample.lesions) for sample in made.samples)
    assert names.count("rect") == num_lesions > 0
    links = [
        a.get("src") or a.get("href") or "" for _, a in reader.tags if "src" in a or "href" in a
    ]
    assert len(links) == 6 + 3 * 2
    for link in links:
        assert link.startswith("data:image/png;base64,")
    shown = Image.open(io.BytesIO(base64.b64decode(links[3].partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(shown), made.samples[0].views[0])


def run(*arguments: object):
    return CliRunner().invoke(app, ["preview", *map(str, arguments)])


@pytest.mark.parametrize("saliency", ["boxes", "centre", "mean", "maps"])
def test_command_writes_a_picture(phantoms, tmp_path, saliency):
    out = tmp_path / "out.png"
    source = phantoms / "maps" if saliency == "maps" else saliency
    arguments = ["--saliency", source, "--boxes", phantoms / "boxes.csv", "--num-images", 2]
    result = run(phantoms / "labels.csv", *arguments, "--size", 32, "--out", out, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told == {"out": str(out), "images": told["images"], "refused": []}
    assert len(told["images"]) == 2
    assert Image.open(out).mode == "RGB"


def test_simulated_gaze_is_called_so(phantoms, tmp_path):
    out = tmp_path / "out.html"
    result = run(phantoms / "labels.csv", "--saliency", phantoms / "maps", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "simulated gaze" in out.read_text()
    tau = ViewPolicy.gca().crop.tau
    assert f"keeps at least {100 * tau:g} % of the saliency" in out.read_text()


def test_file_that_turned_bad_is_named_and_replaced(tmp_path):
    folder = write_phantoms(tmp_path, 3, height=64, width=64)
    source = tmp_path / "manifest.parquet"
    Manifest.from_folder(folder / "images").save(source)
    victim = next((folder / "images").iterdir())
    names = sorted(path.name for path in (folder / "images").iterdir())
    (folder / "images" / names[0]).write_bytes(b"no longer an image")
    result = run(source, "--num-images", 2, "--size", 32, "--out", tmp_path / "a.png", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["images"] == [names[2], names[1]]
    assert [item["path"] for item in told["refused"]] == [names[0]]
    assert re.search("not|no", told["refused"][0]["reason"])
    for name in names:
        (victim.parent / name).unlink()
    result = run(source, "--size", 32, "--out", tmp_path / "a.png")
    assert result.exit_code == 1
    assert "must hold an image that can be read, got none of 3" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{x}/nowhere"], 1, "must be an existing folder"),
        (["{x}/images", "--out", "a.jpg"], 1, "out must end in .png or .html, got a.jpg"),
        (["{x}/images", "--num-images", "0"], 1, "num_images must be 1 to 100, got 0"),
        (["{x}/images", "--num-views", "99"], 1, "num_views must be 1 to 16, got 99"),
        (["{x}/images", "--policy", "no"], 1, "policy must be one of 'gca'"),
        (["{x}/images", "--saliency", "none"], 1, "saliency must be given for a policy"),
        (["{x}/images", "--saliency", "mean"], 1, "--saliency mean must come with --boxes"),
        (["{x}/images", "--saliency", "boxes"], 2, "needs --boxes"),
        (["{x}/images", "--size", "0"], 2, "--size"),
    ],
)
def test_bad_input_is_one_line(phantoms, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    result = run(*(argument.format(x=phantoms) for argument in arguments))
    assert result.exit_code == code
    assert words in result.stderr
    if code == 1:
        assert result.stderr.count("\n") == 1
