from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from gca_dali.phantoms import make_phantom, phantom_saliency
from gca_dali.phantoms.phantom import draw_chest, draw_knee, draw_label
from gca_dali.phantoms.texture import KINDS

DRAW = {"knee": draw_knee, "chest": draw_chest}


def in_boxes(boxes: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Whether each point lies in any of the boxes."""
    y0, x0, height, width = boxes.T[:, :, None]
    return ((y >= y0) & (y < y0 + height) & (x >= x0) & (x < x0 + width)).any(axis=0)


def box_mask(boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centres lie in any of the boxes."""
    rows, columns = np.indices(shape) + 0.5
    return in_boxes(boxes, rows.ravel(), columns.ravel()).reshape(shape)


@pytest.mark.parametrize("kind", KINDS)
def test_same_key_same_phantom(kind):
    first = make_phantom(kind, 7, seed=3, height=160, width=200)
    make_phantom(kind, 8, seed=3, height=160, width=200)
    again = make_phantom(kind, 7, seed=3, height=160, width=200)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.boxes, again.boxes)
    assert np.array_equal(first.fixations, again.fixations)
    assert (first.label, first.lesions) == (again.label, again.lesions)
    for index, seed in ((8, 3), (7, 4)):
        other = make_phantom(kind, index, seed=seed, height=160, width=200)
        assert not np.array_equal(first.image, other.image)


def test_same_key_same_phantom_in_another_process():
    code = (
        "import hashlib; from gca_dali.phantoms import make_phantom; "
        "p = make_phantom('chest', 5, height=128, width=128, bits=16); "
        "print(hashlib.sha256(p.image.tobytes() + p.fixations.tobytes()).hexdigest())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(outputs) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (97, 131), (256, 144), (96, 480)])
def test_shapes_and_ranges(kind, height, width):
    for index in range(5):
        phantom = make_phantom(kind, index, height=height, width=width)
        assert phantom.image.shape == (height, width)
        assert phantom.image.dtype == np.uint8
        assert phantom.boxes.dtype == phantom.fixations.dtype == np.float32
        assert phantom.boxes.shape == (len(phantom.lesions), 4)
        y0, x0, box_height, box_width = phantom.boxes.T
        assert (phantom.boxes >= 0).all()
        assert (box_height > 0).all()
        assert (box_width > 0).all()
        assert (y0 + box_height <= height + 1e-3).all()
        assert (x0 + box_width <= width + 1e-3).all()
        y, x, seconds = phantom.fixations.T
        assert ((y >= 0) & (y < height) & (x >= 0) & (x < width)).all()
        assert ((seconds > 0.01) & (seconds < 3)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_depths_show_the_same_image(kind):
    shallow = make_phantom(kind, 4, height=256, width=256)
    deep = make_phantom(kind, 4, height=256, width=256, bits=16)
    assert deep.image.dtype == np.uint16
    assert len(np.unique(deep.image)) > 4096
    assert int(deep.image.max()) > 60000
    assert np.abs(deep.image / 257 - shallow.image).max() <= 0.51
    assert np.array_equal(deep.fixations, shallow.fixations)


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_show_the_same_body(kind):
    small = make_phantom(kind, 6, height=128, width=128)
    large = make_phantom(kind, 6, height=256, width=256)
    assert small.label == large.label
    np.testing.assert_allclose(small.boxes * 2, large.boxes, atol=1e-3)
    halved = large.image.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert np.corrcoef(halved.ravel(), small.image.ravel())[0, 1] > 0.97


def test_labels_are_balanced_and_shuffled():
    grades = [draw_label("knee", 0, index) for index in range(40)]
    for start in range(0, 40, 5):
        assert sorted(grades[start : start + 5]) == [0, 1, 2, 3, 4]
    assert len({tuple(grades[start : start + 5]) for start in range(0, 40, 5)}) > 3
    labels = [draw_label("chest", 0, index) for index in range(40)]
    assert sum(labels) == 20
    assert labels != [0, 1] * 20


def test_lesions_follow_the_label():
    for index in range(20):
        knee = make_phantom("knee", index, height=64, width=64)
        assert knee.lesions.count("osteophyte") == knee.label
        assert ("narrowing" in knee.lesions) == (knee.label >= 2)
        chest = make_phantom("chest", index, height=64, width=64)
        assert chest.label == (len(chest.lesions) > 0)
        assert set(chest.lesions) <= {"nodule", "opacity"}
        assert len(chest.lesions) <= 3


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_are_small(kind):
    boxes = np.concatenate([make_phantom(kind, i, height=128, width=128).boxes for i in range(40)])
    areas = boxes[:, 2] * boxes[:, 3] / 128**2
    assert areas.min() > 0.002
    assert areas.max() < 0.03
    assert 0.003 < np.median(areas) < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_lesions_change_their_boxes_and_little_else(kind):
    shape = (256, 256)
    for index in range(10):
        phantom = make_phantom(kind, index, height=256, width=256)
        with_lesions, *_ = DRAW[kind](0, index, shape, phantom.label)
        without, *_ = DRAW[kind](0, index, shape, 0)
        change = np.abs(with_lesions - without)
        if phantom.label == 0:
            assert change.max() == 0
            continue
        inside = box_mask(phantom.boxes, shape)
        noise = np.abs(np.diff(without, axis=1)).mean()
        assert change[inside].mean() > 2 * noise
        assert change[inside].mean() > 15 * change[~inside].mean()
        for box in phantom.boxes:
            assert change[box_mask(box[None], shape)].mean() > 1.2 * noise


def test_higher_grades_change_more():
    shape = (256, 256)
    change = np.zeros(5)
    for index in range(8):
        healthy, *_ = draw_knee(0, index, shape, 0)
        for grade in range(5):
            image, *_ = draw_knee(0, index, shape, grade)
            change[grade] += np.abs(image - healthy).sum()
    assert change[0] == 0
    assert (change[1:] > 1.4 * change[:-1]).all()


def test_chest_nodules_are_brighter_than_the_lung():
    brighter = []
    for index in range(12):
        phantom = make_phantom("chest", index, height=256, width=256)
        healthy, *_ = draw_chest(0, index, (256, 256), 0)
        for y0, x0, height, width in phantom.boxes.astype(int):
            core = np.s_[
                y0 + height // 4 : y0 + 3 * height // 4, x0 + width // 4 : x0 + 3 * width // 4
            ]
            brighter.append(phantom.image[core].mean() / 255 - healthy[core].mean())
    assert min(brighter) > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_gaze_dwells_on_lesions(kind):
    shares, lesion_areas = [], []
    for index in range(30):
        phantom = make_phantom(kind, index, height=128, width=128)
        y, x, seconds = phantom.fixations.T
        assert len(phantom.fixations) >= 7
        if len(phantom.boxes):
            shares.append(seconds[in_boxes(phantom.boxes, y, x)].sum() / seconds.sum())
            lesion_areas.append(box_mask(phantom.boxes, (128, 128)).mean())
    assert min(shares) > 0.6
    assert max(shares) < 0.97
    assert np.mean(shares) > 10 * np.mean(lesion_areas)


@pytest.mark.parametrize("kind", KINDS)
def test_saliency_is_the_blurred_gaze(kind):
    phantom = make_phantom(kind, 2, height=128, width=192)
    saliency = phantom_saliency(phantom, (32, 48), sigma_fraction=0.08)
    assert saliency.dtype == np.float32
    assert saliency.shape == (32, 48)
    assert saliency.max() == 1
    assert saliency.min() >= 0
    rows, columns = np.indices((32, 48)) * 4 + 2
    sigma_px = 0.08 * 128
    expected = np.zeros((32, 48))
    for y, x, seconds in phantom.fixations.astype(float):
        expected += seconds * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma_px**2))
    np.testing.assert_allclose(saliency, expected / expected.max(), atol=0.01)
    narrow = phantom_saliency(phantom, sigma_fraction=0.02)
    assert narrow.shape == (64, 64)
    assert narrow.mean() < phantom_saliency(phantom).mean()
