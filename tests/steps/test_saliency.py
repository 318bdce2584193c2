"""Saliency sources: every kind, matched by sample, and maps that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.table import SaliencyTable, centre_map, mean_map, quantise_maps
from gca_dali.steps.saliency import load_saliency


@pytest.fixture(scope="module")
def manifest(phantoms) -> Manifest:
    return Manifest.from_csv(phantoms / "labels.csv")


def test_no_saliency_is_one_map_of_zeros(manifest):
    table = load_saliency(None, manifest)
    assert table.take(np.array([0, 5])).shape == (2, 64, 64)
    assert table.maps.max() == 0


def test_the_centre_prior_peaks_in_the_middle_and_is_symmetric():
    centre = centre_map()
    assert np.array_equal(centre, centre[::-1]) and np.array_equal(centre, centre.T)
    assert centre[31:33, 31:33].min() == centre.max()
    assert centre[0, 0] < 0.03


def test_a_folder_of_maps_is_matched_by_path(manifest, phantoms):
    table = load_saliency(phantoms / "maps", manifest)
    backwards = np.arange(len(manifest))[::-1]
    reversed_table = load_saliency(phantoms / "maps", manifest.take(backwards))
    assert np.array_equal(table.take(backwards), reversed_table.take(np.arange(len(manifest))))
    assert (table.maps.max(axis=(1, 2)) == 255).all()


def test_the_mean_of_a_folder_is_one_map_for_all(manifest, phantoms):
    each = load_saliency(phantoms / "maps", manifest)
    mean = load_saliency(f"mean:{phantoms / 'maps'}", manifest)
    assert np.array_equal(mean.take(np.array([3]))[0], mean_map(each.maps))


def test_a_callable_is_given_each_image_and_an_array_each_row(manifest):
    seen = []

    def look(path):
        seen.append(path)
        return np.full((8, 8), len(seen))

    table = load_saliency(look, manifest)
    assert [str(path) for path in seen] == manifest.files
    assert (table.maps == 255).all()
    array = np.random.default_rng(0).uniform(0, 1, (len(manifest), 64, 64))
    rows = load_saliency(array, manifest)
    assert np.abs(rows.maps / 255 - array / array.max(axis=(1, 2), keepdims=True)).max() < 0.002


def test_quantising_keeps_shape_of_the_mass_when_it_shrinks():
    large = np.zeros((640, 320), np.float32)
    large[320:330, 160:165] = 2.0
    small = quantise_maps([large])[0].astype(float)
    y, x = (np.average(np.arange(64) + 0.5, weights=small.sum(axis=a)) for a in (1, 0))
    assert (abs(y - 32.5), abs(x - 32.5)) < (0.1, 0.1)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (lambda n: np.full((n, 4, 4), np.nan), ValueError, r"map of saliency\[0\] must be finite"),
        (lambda n: -np.ones((n, 4, 4)), ValueError, "must be finite and not negative, got values"),
        (lambda n: np.ones((n + 1, 4, 4)), ValueError, "saliency must have the shape"),
        (lambda n: lambda path: np.ones((3, 4, 4)), ValueError, r"must have the shape \[h, w\]"),
        (lambda n: "mean", ValueError, "saliency 'mean' must say which maps"),
        (lambda n: "/nowhere/maps", FileNotFoundError, "nowhere"),
        (lambda n: 7, TypeError, "saliency must be None, 'centre', a folder .* got int"),
    ],
)
def test_what_is_no_saliency_is_refused(manifest, source, error, message):
    with pytest.raises(error, match=message):
        load_saliency(source(len(manifest)), manifest)


def test_an_image_without_a_map_is_named(manifest, phantoms, tmp_path):
    import json
    import shutil

    shutil.copytree(phantoms / "maps", tmp_path / "maps")
    index = json.loads((tmp_path / "maps/index.json").read_text())
    missing = sorted(index["maps"])[2]
    del index["maps"][missing]
    (tmp_path / "maps/index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=f"none for 1 of {len(manifest)}, the first .* {missing}"):
        load_saliency(tmp_path / "maps", manifest)


@pytest.mark.parametrize(
    ("maps", "row", "error", "message"),
    [
        (
            np.zeros((2, 4, 4), np.float32),
            [0, 1],
            TypeError,
            r"maps must be uint8 \[M, h, w\], got",
        ),
        (np.zeros((4, 4), np.uint8), [0], TypeError, r"maps must be uint8 \[M, h, w\], got"),
        (
            np.zeros((2, 4, 4), np.uint8),
            [0.0, 1.0],
            TypeError,
            r"row must be integers \[N\], got f",
        ),
        (np.zeros((2, 4, 4), np.uint8), [0, 2], ValueError, "row must be 0 to 1, got 0 to 2"),
        (np.zeros((2, 4, 4), np.uint8), [-1, 0], ValueError, "row must be 0 to 1, got -1 to 0"),
    ],
)
def test_a_table_that_the_kernels_would_misread_is_refused(maps, row, error, message):
    with pytest.raises(error, match=message):
        SaliencyTable(maps, np.array(row))
