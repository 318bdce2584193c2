"""Simulated gaze from lesion boxes: where its mass lies, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.box_maps import SIGMA_SHARE, box_maps
from gca_dali.gaze.boxes import ImageBoxes, read_boxes_csv
from gca_dali.prepare.run import StoreOptions, prepare_store
from make_images import put_csv, put_images

NO_BOX = np.zeros((0, 4))


def rows_of(*sizes: tuple[int, int]) -> Manifest:
    heights, widths = np.array(sizes).T
    names = np.array([f"{i}.png" for i in range(len(sizes))])
    return Manifest(Path(), names, heights, widths, np.full(len(sizes), 8), names)


def lesions(*boxes: tuple[float, float, float, float]) -> ImageBoxes:
    return ImageBoxes(np.array(boxes, np.float64).reshape(-1, 4), NO_BOX)


def moments(saliency: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation (y, x) of a map in pixels of the image."""
    y, x = ((np.arange(64) + 0.5) / 64 * side for side in size)
    means, deviations = [], []
    for positions, weights in ((y, saliency.sum(1)), (x, saliency.sum(0))):
        weights = weights / weights.sum()
        mean = (positions * weights).sum()
        means.append(mean)
        deviations.append(np.sqrt(((positions - mean) ** 2 * weights).sum()))
    return np.array(means), np.array(deviations)


@pytest.mark.parametrize("size", [(640, 640), (300, 900), (1000, 250)])
def test_gaussian_is_round_in_the_image_whatever_its_shape(size):
    box = (0.5 * size[0] - 20, 0.5 * size[1] - 5, 40.0, 10.0)
    saliency = box_maps(rows_of(size), [lesions(box)])[0]
    mean, deviation = moments(saliency, size)
    assert saliency.sum() == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(mean, (size[0] / 2, size[1] / 2), atol=0.5)
    # A cell's own width adds 1/12 of its square to the variance.
    cell = np.array(size) / 64
    expected = np.sqrt((SIGMA_SHARE * min(size)) ** 2 + cell**2 / 12)
    np.testing.assert_allclose(deviation, expected, rtol=0.02)


def test_lesions_weigh_the_same_and_other_boxes_nothing():
    image = ImageBoxes(
        np.array([[90, 90, 20, 20], [280, 250, 40, 100.0]]), np.array([[90, 290, 20, 20.0]])
    )
    saliency = box_maps(rows_of((400, 400)), [image])[0]
    quarters = saliency.reshape(2, 32, 2, 32).sum(axis=(1, 3))
    np.testing.assert_allclose(quarters, [[0.5, 0], [0, 0.5]], atol=2e-3)


def test_image_without_a_lesion_has_no_mass():
    maps = box_maps(rows_of((64, 64), (64, 64)), [lesions(), lesions((1, 1, 9, 9))])
    assert maps.dtype == np.float32
    assert maps.shape == (2, 64, 64)
    assert maps[0].max() == 0.0
    assert maps[1].max() > 0.0


def test_wrong_number_of_entries_is_refused():
    with pytest.raises(ValueError, match="one entry for each of the 1 rows, got 2"):
        box_maps(rows_of((64, 64)), [lesions(), lesions()])


def test_box_in_other_units_is_refused_by_name():
    with pytest.raises(ValueError, match=r"boxes of 0\.png must lie in the image of 64 × 64"):
        box_maps(rows_of((64, 64)), [lesions((9000, 9000, 10, 10))])


def test_boxes_of_a_csv_find_their_rows(tmp_path):
    put_images(tmp_path / "images", "a.png", "b.png")
    text = (
        "path,x,y,w,h\nimages/b.png,3,4,5,6\nimages/../images/b.png,0,0,2,2\nimages/c.png,1,1,1,1\n"
    )
    csv = put_csv(tmp_path, text, "boxes.csv")
    first, second = read_boxes_csv(csv, Manifest.from_folder(tmp_path / "images"))
    assert len(first.lesions) == 0
    np.testing.assert_array_equal(second.lesions, [[4, 3, 6, 5], [0, 0, 2, 2]])


def test_boxes_find_the_rows_of_a_store(phantoms, tmp_path):
    originals = Manifest.from_csv(phantoms / "labels.csv")
    prepare_store(originals, tmp_path / "store", StoreOptions(48, "jpeg"))
    store = Manifest.open(tmp_path / "store")
    boxes = phantoms / "boxes.csv"
    for mine, other in zip(
        read_boxes_csv(boxes, store), read_boxes_csv(boxes, originals), strict=True
    ):
        np.testing.assert_array_equal(mine.lesions, other.lesions)
    elsewhere = put_csv(tmp_path, "path,x,y,w,h\nnowhere.png,1,1,2,2\n", "boxes.csv")
    with pytest.raises(ValueError, match=r"got none that do. A store calls its first images/"):
        read_boxes_csv(elsewhere, store)


def test_paths_of_windows_are_matched(tmp_path):
    rows = Manifest.from_folder(put_images(tmp_path, "x/a.png", "x/b.png"))
    csv = put_csv(tmp_path, "path,x,y,w,h\nx\\b.png,1,1,1,1\n")
    assert [len(image.lesions) for image in read_boxes_csv(csv, rows)] == [0, 1]
