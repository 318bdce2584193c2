"""Index, `Manifest.read` and loader see the same image in every odd file, the right one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.image.raster import turn_upright
from odd_images import make_image, make_odd

ODD = make_odd()
REFUSED = {
    "turn_before_and_after.png": "repeated eXIf chunk",
    **{
        f"stray_{kind}_{place}.jpg": "a JPEG with a misplaced or unknown marker"
        for kind in ("reserved", "segment", "start")
        for place in ("start", "tables", "scan")
    },
    "image_below_8.tif": "TIFF of thumbnails, its image in a SubIFD; save the image alone",
    "image_below_16.tif": "TIFF of thumbnails, its image in a SubIFD",
}
# Colour: DALI rounds in floating point, we in 1/65536, and libjpeg's own luma is the same.
TOLERANCE = 1


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Manifest:
    folder = tmp_path_factory.mktemp("odd")
    for name, data in ODD.items():
        (folder / name).write_bytes(data)
    return Manifest.from_folder(folder)


@pytest.fixture(scope="module")
def loaded(manifest) -> dict[str, np.ndarray]:
    """What the loader decodes, by path; it turns 8 bits into 16 where any image has them."""
    images = {}
    for deep in (False, True):
        rows = manifest.take(np.flatnonzero((manifest.bits > 8) == deep))
        options = {"device": "cpu", "batch_size": 8, "num_threads": 1, "resident": True}
        loader = GCALoader(rows, ViewPolicy.random(size=32), **options)
        next(iter(loader))
        assert not loader.quarantine.reasons
        decoded: Any = loader._pipeline.images
        images |= {path: decoded[row].numpy() for row, path in enumerate(rows.path.tolist())}
    return images


def test_what_is_refused_is_refused_by_its_kind(manifest):
    reasons = {item.path: item.reason for item in manifest.refused}
    assert reasons.keys() == REFUSED.keys()
    assert all(words in reasons[path] for path, words in REFUSED.items())


@pytest.mark.parametrize("name", sorted(ODD.keys() - REFUSED.keys()))
def test_all_three_see_the_same_pixels(manifest, loaded, name):
    [row] = np.flatnonzero(manifest.path == name)
    image = manifest.read(row)
    assert image.shape == (manifest.height[row], manifest.width[row])
    assert 8 * image.itemsize == manifest.bits[row]
    assert (loaded[name].shape, loaded[name].dtype) == (image.shape, image.dtype)
    difference = np.abs(loaded[name].astype(int) - image)
    assert difference.max() <= (TOLERANCE if "colour" in name else 0)


@pytest.mark.parametrize("name", [name for name in ODD if name.startswith("turn")])
def test_an_orientation_of_any_type_turns_the_image(manifest, name):
    if name in REFUSED:
        return
    value = 6 if name == "turn_after.png" else int(name[4])
    image = manifest.read(np.flatnonzero(manifest.path == name)[0])
    expected = turn_upright(make_image(8 * image.itemsize), value if 1 <= value <= 8 else 1)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).max() <= (12 if name.endswith("jpg") else 0)


@pytest.mark.parametrize("bits", [8, 16])
def test_samples_beside_grey_are_dropped_or_divided_by(manifest, bits):
    image, white = make_image(bits).astype(int), (1 << bits) - 1
    seen = {path: row for row, path in enumerate(manifest.path.tolist())}

    def read(name: str) -> np.ndarray:
        return manifest.read(seen[f"{name}_{bits}.tif"]).astype(int)

    for extra in ("unspecified", "unassalpha"):
        np.testing.assert_array_equal(read(f"grey_ramp_{extra}"), image // 2)
    np.testing.assert_array_equal(read("grey_opaque_assocalpha"), image // 2)
    divided = np.rint((image // 2) * white / (white // 2)).clip(0, white)
    np.testing.assert_array_equal(read("grey_half_assocalpha"), divided)
    np.testing.assert_array_equal(read("grey_two_more"), image)
    np.testing.assert_array_equal(read("white_alpha"), white - image)
    for name in ("first", "last", "old", "below"):
        np.testing.assert_array_equal(read(f"thumbnail_{name}"), image)
    assert np.abs(read("colour_ramp_unassalpha") - read("colour_opaque_assocalpha")).max() == 0
