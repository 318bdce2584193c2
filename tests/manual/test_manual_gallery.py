"""The gallery has a section and two pictures of every preset, and says what its numbers are."""

from __future__ import annotations

import pytest
from PIL import Image

from benchmarks.manual.gallery import PAGE, PICTURES, SHOWN, describe_group, fill
from gca_dali.policy.view_policy import PRESETS, ViewPolicy


def test_the_list_is_that_of_the_presets():
    text = PAGE.read_text(encoding="utf-8")
    assert fill(text) == text, "run python -m benchmarks.manual.gallery"
    assert all(f"\n### {preset}\n" in text for preset in PRESETS)


@pytest.mark.parametrize("preset", [*PRESETS, ""])
def test_every_preset_has_its_pictures(preset):
    for kind in SHOWN:
        with Image.open(PICTURES / f"{f'{preset}_{kind}'.strip('_')}.webp") as picture:
            assert picture.width > 400 and picture.height > 250


def test_no_picture_is_of_a_preset_that_is_gone():
    names = {path.stem for path in PICTURES.glob("*.webp")}
    assert names == {*SHOWN, *(f"{preset}_{kind}" for preset in PRESETS for kind in SHOWN)}


def test_numbers_of_a_group():
    told = [describe_group(group) for group in ViewPolicy.gca_dino().groups]
    assert told == [
        "2 × 224 px, law `free`, 0.32–1 of the area",
        "8 × 96 px, law `relative`, 0.05–0.32 of the area, rho 0.9, focus",
    ]
    (told,) = (describe_group(group) for group in ViewPolicy.focus_contrast().groups)
    assert told == (
        "2 × 224 px, law `rejection`, 1–2 times the zoom, tau 0.9, cutout 0.5, soft mask 0.5, "
        "turned by ± 45° at 0.5"
    )
