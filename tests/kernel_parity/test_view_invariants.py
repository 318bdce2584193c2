"""Views depend on their key alone, and what is reported of them is what they show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gca_dali_kernels.cpu.render_views import render_views
from gca_dali_kernels.cpu.sample_cutouts import sample_cutouts
from gca_dali_kernels.cpu.sample_windows import sample_windows
from gca_dali_kernels.law import CutoutLaw, WindowLaw
from gca_dali_kernels.reference.render_views import covered_pixels
from kernel_cases import EVERY_OTHER, view_maps
from kernel_inputs import ViewCase, make_image, make_map
from view_comparison import centres_of


def render(case: ViewCase, rows: np.ndarray, num_threads: int) -> np.ndarray:
    """Render some images of a case."""
    images, ranges, saliency, plan, index, key, group = case.inputs
    (views,) = render_views(
        [images[row] for row in rows],
        ranges[rows],
        tuple(array[rows] for array in (*saliency, *plan)),
        index[rows],
        key,
        (group,),
        num_threads,
    )
    return views.swapaxes(0, 1)


@pytest.mark.parametrize("rotation", [0.0, 0.5])
def test_same_key_same_pixels(rotation: float):
    """To the bit, in any batch, order and thread count; images of all kinds in one batch."""
    shapes = [(37, 41), (64, 64), (301, 200), (1, 1), (400, 9), (97, 150)]
    dtypes = ["uint8", "uint16"]
    images = [make_image(shape, dtype) for dtype in dtypes for shape in shapes]
    law = WindowLaw(tau=0.2, weight=1, rotation=rotation, rotation_degrees=45.0)
    case = ViewCase(
        "all_kinds",
        images,
        view_maps(len(images)),
        law,
        (replace(EVERY_OTHER, gamma_probability=0.5, gamma=(0.5, 2.0), solarize=0.3),) * 3,
        (24, 28),
        CutoutLaw(probability=0.5, max_loss=0.5),
    )
    rows = np.arange(len(images))
    whole = render(case, rows, 1)
    assert np.isfinite(whole).all()
    for num_threads in (0, 2, 5):
        np.testing.assert_array_equal(render(case, rows, num_threads), whole)
    order = np.random.default_rng(0).permutation(rows)
    np.testing.assert_array_equal(render(case, order, 3), whole[order])
    for row in rows:
        np.testing.assert_array_equal(render(case, rows[row : row + 1], 1), whole[row : row + 1])


class ShownMaps:
    """Windows and cutouts of many images, and the saliency that each pixel of a view shows.

    Drawn by the Numba twins: they equal the reference, which is slow on turned windows.
    """

    def __init__(self, grid: tuple[int, int], law: WindowLaw, cutout_law: CutoutLaw) -> None:
        shapes = ((640, 640), (480, 900), (900, 400), (2000, 250)) * 8
        # Pixels are not read: a broadcast holds a single one.
        images = [np.broadcast_to(np.uint8(0), shape) for shape in shapes]
        maps = np.stack([make_map("blobs", grid, seed) for seed in range(len(images))])
        looks = (EVERY_OTHER,) * 2
        self.case = ViewCase("mass", images, maps, law, looks, (200, 200), cutout_law)
        window = self.case.window
        self.windows, self.turns, self.retained, *_ = sample_windows(*window.inputs)
        drawn = (window.integrals, self.windows, self.turns, window.index, window.shapes)
        self.cutouts = sample_cutouts(*drawn, window.key, window.laws)
        self.places = [(b, v) for b in range(len(images)) for v in range(2)]

    def show(self, b: int, v: int) -> np.ndarray:
        """Return the level of the cell under each pixel, 0 outside, float64, [200, 200]."""
        centres = centres_of(self.case, b, self.windows[b, v], self.turns[b, v])
        saliency = self.case.maps[b]
        cells = np.floor(centres * saliency.shape / self.case.images[b].shape).astype(int)
        inside = ((cells >= 0) & (cells < saliency.shape)).all(axis=-1)
        y, x = np.moveaxis(np.clip(cells, 0, np.array(saliency.shape) - 1), -1, 0)
        return np.where(inside, saliency[y, x], 0).astype(float)


@pytest.mark.parametrize("grid", [(64, 64), (31, 17)])
@pytest.mark.parametrize("degrees", [0.0, 10.0, 45.0, 180.0])
def test_retained_is_the_mass_that_the_view_shows(grid: tuple[int, int], degrees: float):
    """Turned windows included: the kernel scans four rows per cell, the view counts pixels."""
    law = WindowLaw(tau=0.3, weight=1, rotation=1.0, rotation_degrees=degrees, num_candidates=200)
    drawn = ShownMaps(grid, law, CutoutLaw())
    assert (drawn.turns[..., 0] >= 0).mean() > 0.5
    for b, v in drawn.places:
        y0, x0, y1, x1 = (int(edge) for edge in drawn.windows[b, v])
        area_cells = (y1 - y0) * (x1 - x0) / 65536
        shown = drawn.show(b, v).mean() * area_cells / drawn.case.maps[b].sum()
        # A pixel is up to a third of a cell; a row of the scan a quarter.
        assert shown == pytest.approx(drawn.retained[b, v], abs=0.01)


@pytest.mark.parametrize("rotation", [0.0, 1.0])
@pytest.mark.parametrize(("max_loss", "least_cutouts"), [(0.0, 6), (0.1, 50), (0.5, 60)])
def test_cutouts_hide_at_most_max_loss(rotation: float, max_loss: float, least_cutouts: int):
    law = WindowLaw(tau=0.3, weight=1, rotation=rotation, rotation_degrees=45.0)
    cutout_law = CutoutLaw(probability=1.0, max_loss=max_loss, num_redraws=200)
    drawn = ShownMaps((64, 64), law, cutout_law)
    for b, v in drawn.places:
        covered = covered_pixels(drawn.cutouts[b, v], drawn.case.size)
        assert covered.any() == drawn.cutouts[b, v].any()
        shown = drawn.show(b, v)
        # A pixel's row or column on the border of the rectangle may count or not.
        assert shown[covered].sum() <= (max_loss + 0.01) * shown.sum()
    assert drawn.cutouts.any(axis=-1).sum() >= least_cutouts


def test_a_cutout_of_the_whole_view_covers_its_mass():
    """Turned or not: what is counted under the cutout is what is counted in the window."""
    law = WindowLaw(rotation=0.7, rotation_degrees=45.0)
    allowed = CutoutLaw(probability=1.0, side_range=(1.0, 1.0), max_loss=1.0)
    for cutout_law, covers in ((allowed, True), (replace(allowed, max_loss=0.97), False)):
        assert (ShownMaps((64, 64), law, cutout_law).cutouts.any(axis=-1) == covers).all()
