"""The pictures of views in README and manual: `python -m benchmarks.manual.gallery`.

Enters: the demo's phantoms and where a simulated reader looked. Leaves: a strip of views per preset
and phantom below `docs/gallery`, the list in `docs/policies.md`, and `docs/preview.png`.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image

from benchmarks.row import REPOSITORY
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.boxes import read_boxes_csv
from gca_dali.phantoms import write_phantoms
from gca_dali.policy.group import ViewGroup
from gca_dali.policy.view_policy import PRESETS, ViewPolicy
from gca_dali.report.demo import NUM_IMAGES, PHANTOM_SEED
from gca_dali.report.preview.gallery import make_grid
from gca_dali.report.preview.make import PreviewMaker
from gca_dali.report.preview.panels import draw_image, draw_map, draw_views, draw_windows
from gca_dali.report.preview.sample import Preview
from gca_dali.report.preview.save import save_preview
from gca_dali.report.preview.style import BACKGROUND, describe_policy, describe_preset

PAGE = REPOSITORY / "docs" / "policies.md"
PICTURES = REPOSITORY / "docs" / "gallery"
MARK = re.compile(r"(<!-- gallery -->\n).*?(<!-- end -->)", re.DOTALL)
FRONT = REPOSITORY / "docs" / "preview.png"
FRONT_SEED, NUM_SHOWN = 2, 3
PREVIEW_SEED = 71  # small windows: random ones miss what gca keeps
SHOWN = {"knee": 0, "chest": 1}  # kind of a phantom: its row
MARGIN_PX, QUALITY = 10, 82


def draw_front(phantoms: Path, manifest: Manifest) -> None:
    """Write the picture of the first page: what the default does, with each operator in it."""
    policy, boxes = ViewPolicy.gca(), read_boxes_csv(phantoms / "boxes.csv", manifest)
    maker = PreviewMaker(manifest, policy, phantoms / "maps", boxes, FRONT_SEED)
    told = describe_policy(policy, "phantoms, simulated gaze")
    save_preview(maker.make(NUM_SHOWN, "policy gca", told), FRONT)


def draw_pictures(phantoms: Path, manifest: Manifest) -> None:
    """Write a picture of each preset on each phantom, and of the phantoms."""
    PICTURES.mkdir(exist_ok=True)
    for preset in PRESETS:
        policy = ViewPolicy.preset(preset)
        maker = PreviewMaker(manifest, policy, phantoms / "maps", seed=PREVIEW_SEED)
        for kind, row in SHOWN.items():
            preview = Preview((maker.make_sample(row),), policy.slices, preset, "")
            save(draw_strip(preview), f"{preset}_{kind}")
            if preset == PRESETS[0]:
                save(draw_phantom(preview), kind)


def draw_strip(preview: Preview) -> Image.Image:
    """Draw the windows of a sample and its views."""
    grid, (sample,) = make_grid(preview), preview.samples
    size = (grid.inner_width + 2 * MARGIN_PX, grid.height + 2 * MARGIN_PX)
    sheet = Image.new("RGB", size, BACKGROUND)
    windows, *views = grid.place(MARGIN_PX, MARGIN_PX)
    draw_windows(sheet, windows, sample, grid.num_first)
    draw_views(sheet, views, sample, grid.num_first)
    return sheet


def draw_phantom(preview: Preview) -> Image.Image:
    """Draw the image and its map."""
    grid, (sample,) = make_grid(preview), preview.samples
    image, attended, *_ = grid.place(MARGIN_PX, MARGIN_PX)
    size = (attended.left + attended.width + MARGIN_PX, grid.height + 2 * MARGIN_PX)
    sheet = Image.new("RGB", size, BACKGROUND)
    draw_image(sheet, image, replace(sample, path=Path(sample.path).name))
    draw_map(sheet, attended, sample)
    return sheet


def save(picture: Image.Image, name: str) -> None:
    """Write a picture of the gallery."""
    picture.save(PICTURES / f"{name}.webp", quality=QUALITY, method=6)


def write_list() -> str:
    """Return a section per preset: its sentence, its numbers, its pictures."""
    sections = []
    for preset in PRESETS:
        policy = ViewPolicy.preset(preset)
        numbers = "<br>".join(map(describe_group, policy.groups))
        pictures = "\n".join(
            f"![views of a {kind} by {preset}](gallery/{preset}_{kind}.webp)" for kind in SHOWN
        )
        told = describe_preset(preset, policy)
        sections.append(f"### {preset}\n\n{told}\n\n{numbers}\n\n{pictures}\n")
    return "\n".join(sections)


def describe_group(group: ViewGroup) -> str:
    """Return the numbers of a group in a line."""
    crop = group.crop
    size = "of the area" if crop.size_by == "area" else "times the zoom"
    least, most = (f"{number:g}" for number in crop.size_range)
    told = [
        f"{group.num_views} × {group.size} px",
        f"law `{crop.law}`",
        f"{least}–{most} {size}" if least != most else f"{least} {size}",
    ]
    told += [f"tau {crop.tau:g}"] if crop.tau else []
    told += [f"rho {crop.rho:g}"] if crop.law == "relative" else []
    told += [f"weight {crop.weight}"] if crop.weight else []
    told += ["focus"] if crop.focus else []
    if group.cutout is not None:
        told.append(f"cutout {group.cutout.probability:g}")
    masks = {a.mask: a.mask_probability for a in group.appearances if a.mask != "none"}
    told += [f"{mask} mask {probability:g}" for mask, probability in masks.items()]
    if group.rotation:
        told.append(f"turned by ± {group.rotation_degrees:g}° at {group.rotation:g}")
    return ", ".join(told)


def fill(text: str) -> str:
    """Return the page with its list made anew."""
    return MARK.sub(lambda found: f"{found[1]}\n{write_list()}\n{found[2]}", text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = write_phantoms(Path(folder), NUM_IMAGES, kind="mixed", seed=PHANTOM_SEED)
        rows = Manifest.from_csv(made / "labels.csv")
        draw_front(made, rows)
        draw_pictures(made, rows)
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
