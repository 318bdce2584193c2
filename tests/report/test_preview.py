"""Previews: the views are the loader's, the pictures show them, bad input is named."""

from __future__ import annotations

import base64
import io
import itertools
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image, ImageColor

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.boxes import read_boxes_csv
from gca_dali.phantoms import write_phantoms
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.report.preview.layout import CAPTION_PX, PANEL_PX, Grid
from gca_dali.report.preview.make import PreviewMaker
from gca_dali.report.preview.png import draw_sheet
from gca_dali.report.preview.save import save_preview
from gca_dali.report.preview.style import (
    describe_view,
    explain,
    heat,
    view_colour,
)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    return write_phantoms(
        tmp_path_factory.mktemp("phantoms"), 6, kind="knee", height=120, width=160
    )


@pytest.fixture(scope="module")
def manifest(phantoms) -> Manifest:
    return Manifest.from_csv(phantoms / "labels.csv")


def make_loader(phantoms, manifest, policy):
    from gca_dali import GCALoader

    return GCALoader(manifest, policy, phantoms / "maps", batch_size=6, device="cpu", shuffle=False)


@pytest.fixture(scope="module")
def made(phantoms, manifest):
    policy = ViewPolicy.focus_contrast(size=48, rotation=1.0, num_views=3)
    boxes = read_boxes_csv(phantoms / "boxes.csv", manifest)
    maker = PreviewMaker(manifest, policy, phantoms / "maps", boxes)
    return maker.make(2, "title <1>", "subtitle")


def test_views_are_those_of_a_loader(phantoms, manifest, made):
    policy = ViewPolicy.focus_contrast(size=48, rotation=1.0, num_views=3)
    batch = next(iter(make_loader(phantoms, manifest, policy)))
    for sample in made.samples:
        assert sample.focus is None
        row = manifest.path.tolist().index(sample.path)
        for v, facts in enumerate(sample.facts):
            brightness = batch.views[v][row, 0].numpy() * policy.deviation + policy.mean
            np.testing.assert_allclose(sample.views[v], 255 * brightness, atol=0.51)
            assert facts.retained == batch.retained[row, v]


@pytest.fixture(scope="module")
def multi_crop(phantoms, manifest):
    policy = ViewPolicy.gca_dino(size=56)
    return PreviewMaker(manifest, policy, phantoms / "maps").make(2, "groups", "")


def test_groups_and_focus_are_those_of_a_loader(phantoms, manifest, multi_crop):
    policy = ViewPolicy.gca_dino(size=56)
    batch = next(iter(make_loader(phantoms, manifest, policy)))
    assert multi_crop.groups == batch.groups and multi_crop.num_views == 10
    for sample in multi_crop.samples:
        row = manifest.path.tolist().index(sample.path)
        np.testing.assert_allclose(sample.focus, batch.focus[row])
        for v, shown in enumerate(sample.views):
            brightness = batch.views[v][row, 0].numpy() * policy.deviation + policy.mean
            np.testing.assert_allclose(shown, 255 * brightness, atol=0.51)
            assert sample.facts[v].flipped == batch.flipped[row, v]
        assert [len(view) for view in sample.views] == [56] * 2 + [24] * 8


def test_local_views_stand_in_a_row_under_the_globals():
    grid = Grid(256, (224,) * 2 + (96,) * 8, (slice(0, 2), slice(2, 10)))
    image, saliency, *views = grid.cells
    assert {cell.top for cell in (image, saliency, *views[:2])} == {0}
    assert {cell.top for cell in views[2:]} == {PANEL_PX + CAPTION_PX}
    assert all(cell.width == round(PANEL_PX * 96 / 224) for cell in views[2:])
    assert grid.height == PANEL_PX + 2 * CAPTION_PX + views[2].height


@pytest.mark.parametrize("image_width", [40, 120, 360])
@pytest.mark.parametrize("counts", [(1,), (2,), (7,), (2, 8), (2, 30), (3, 4, 5), (1, 1)])
def test_panels_neither_overlap_nor_leave_the_sheet(image_width, counts):
    ends = np.cumsum((0, *counts)).tolist()
    groups = tuple(slice(a, b) for a, b in itertools.pairwise(ends))
    sizes = tuple(224 // (number + 1) for number, n in enumerate(counts) for _ in range(n))
    grid = Grid(image_width, sizes, groups)
    taken = np.zeros((grid.height, grid.width), int)
    for left, top, width, height in grid.cells:
        assert left + width <= grid.inner_width and top + height + CAPTION_PX <= grid.height
        taken[top : top + height + CAPTION_PX, left : left + width] += 1
    assert taken.max() == 1


def test_ring_marks_the_shared_point(multi_crop):
    [sample] = multi_crop.samples[:1]
    bare = replace(multi_crop, samples=(replace(sample, focus=None),))
    pixels, without = (
        np.asarray(draw_sheet(one)).astype(int)
        for one in (replace(multi_crop, samples=(sample,)), bare)
    )
    top = int(np.flatnonzero((pixels != without).any(axis=(1, 2)))[0])
    rows, columns = np.nonzero((pixels != without).any(axis=2)[: top + 20])
    scale = min(PANEL_PX / 120, 360 / 160)
    y, x = np.array(sample.focus) * scale
    panel = draw_sheet(bare).size[0] - 28 - 2 * (PANEL_PX + 14) - round(160 * scale)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(108 + y, abs=30)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(panel + x, abs=3)
    assert "attended point" in explain(multi_crop) and "attended" not in explain(bare)


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
        focus=None,  # its ring has the colour of the view
    )
    pixels = np.asarray(draw_sheet(replace(made, samples=(sample,), groups=(slice(0, 1),))))
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


def test_page_shows_groups_below_each_other_and_the_ring(multi_crop, tmp_path):
    save_preview(multi_crop, tmp_path / "a.html")
    reader = Reader()
    reader.feed((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert reader.open == []
    sections = [attributes.get("class") for tag, attributes in reader.tags if tag == "section"]
    assert sections == [None, "below"] * 2
    circles = [attributes for tag, attributes in reader.tags if tag == "circle"]
    shown = [(float(circle["cy"]), float(circle["cx"])) for circle in circles]
    expected = [sample.focus for sample in multi_crop.samples]
    np.testing.assert_allclose(shown, expected, atol=0.051)
    assert sum(tag == "polygon" for tag, _ in reader.tags) == 20
