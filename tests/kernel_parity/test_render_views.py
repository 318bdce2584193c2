"""`render_views`: by hand, reference against Numba within `TOLERANCE`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gca_dali_kernels.cpu import render_views as cpu
from gca_dali_kernels.law import WindowLaw
from gca_dali_kernels.look import GroupLooks, ViewLook
from gca_dali_kernels.reference import render_views as reference
from gca_dali_kernels.reference.integrate_maps import integrate_maps
from gca_dali_kernels.tables import NUM_STEPS
from kernel_cases import EVERY_OTHER, WHOLE_LAW, pyramid_cases, view_cases, view_maps
from kernel_inputs import TOLERANCE, ViewCase, make_image
from view_comparison import assert_views_match

IMAGE = np.array([[0, 100, 200], [10, 110, 210], [20, 120, 220]], np.uint8)
SALIENCY = np.array([[0, 0, 0], [0, 255, 51], [0, 0, 0]], np.uint8)
WHOLE = (0, 0, 768, 768)
NO_CUTOUT = (0, 0, 0, 0)


def render_cpu(images, ranges, saliency, plan, index, key, group):
    """Call the Numba twin with the reference's arguments; what came before is another group."""
    groups = (group,)
    if group.first_view:
        before = (ViewLook(blur=1.0, blur_sigma_px=(1.0, 1.0)),) * group.first_view
        groups = (GroupLooks(before, (9, 40)), group)
    views = cpu.render_views(images, ranges, (*saliency, *plan), index, key, groups)
    return views[-1].swapaxes(0, 1)


MODULES = pytest.mark.parametrize(
    "render", [reference.render_views, render_cpu], ids=["reference", "cpu"]
)


def render_one(render, plan, look=None, size=(3, 3), law=None):
    """Render one view of the 3 × 3 image; `plan` is window, turn and cutout."""
    maps = SALIENCY[None]
    arrays = tuple(np.array([[part]], np.int32) for part in plan)
    ranges = np.array([[0.0, 250.0]], np.float32)
    degrees = law.rotation_degrees if law else 0.0
    group = GroupLooks((look or ViewLook(),), size, degrees)
    marks = integrate_maps(maps)[1]
    index = np.array([0])
    views = render([IMAGE], ranges, (maps, marks), arrays, index, (0, 0), group)
    return views[0, 0]


@MODULES
def test_whole_image_by_hand(render):
    upright = render_one(render, (WHOLE, (-1, 0), NO_CUTOUT))
    np.testing.assert_allclose(upright, IMAGE / 250, atol=1e-6)
    flipped = render_one(render, (WHOLE, (-1, 1), NO_CUTOUT))
    np.testing.assert_allclose(flipped, IMAGE[:, ::-1] / 250, atol=1e-6)


@MODULES
def test_window_by_hand(render):
    """The lower right quarter of four cells; a tent of one pixel doubles it with its own border."""
    view = render_one(render, ((256, 256, 768, 768), (-1, 0), NO_CUTOUT), size=(4, 2))
    rows = np.array([[110, 210], [112.5, 212.5], [117.5, 217.5], [120, 220]])
    np.testing.assert_allclose(view, rows / 250, atol=1e-6)


@MODULES
def test_rotation_by_hand(render):
    """A quarter turn: the window's top looks to the right of the image, so the view turns left."""
    law = WindowLaw(rotation=1.0, rotation_degrees=90.0)
    last = NUM_STEPS - 1
    view = render_one(render, (WHOLE, (last, 0), NO_CUTOUT), law=law)
    # The last step is 89.9 degrees, not 90.
    np.testing.assert_allclose(view, np.rot90(IMAGE, 1) / 250, atol=0.003)
    view = render_one(render, (WHOLE, (0, 0), NO_CUTOUT), law=law)
    np.testing.assert_allclose(view, np.rot90(IMAGE, -1) / 250, atol=0.003)
    flipped = render_one(render, (WHOLE, (last, 1), NO_CUTOUT), law=law)
    np.testing.assert_allclose(flipped, np.rot90(IMAGE, 1)[:, ::-1] / 250, atol=0.003)


@MODULES
def test_outside_of_a_turned_image_is_black(render):
    law = WindowLaw(rotation=1.0, rotation_degrees=45.0)
    last = NUM_STEPS - 1
    view = render_one(render, (WHOLE, (last, 0), NO_CUTOUT), ViewLook(mean=-1.0), (9, 9), law)
    np.testing.assert_allclose(view[[0, 0, -1, -1], [0, -1, 0, -1]], 1.0)
    assert (view[4] > 1.0).sum() >= 8


@MODULES
def test_masks_by_hand(render):
    """The soft mask is map + 0.1 up to 1; 7 of 9 cells are the most that 80 % may black out."""
    plan = (WHOLE, (-1, 0), NO_CUTOUT)
    soft = render_one(render, plan, ViewLook(mask="soft", mask_probability=1.0))
    factors = np.array([[0.1, 0.1, 0.1], [0.1, 1.0, 0.3], [0.1, 0.1, 0.1]])
    np.testing.assert_allclose(soft, IMAGE / 250 * factors, atol=1e-6)
    hard = render_one(render, plan, ViewLook(mask="hard", mask_probability=1.0))
    np.testing.assert_allclose(hard, IMAGE / 250 * (SALIENCY > 0), atol=1e-6)


@MODULES
def test_cutout_and_normalisation_by_hand(render):
    """A cutout is black before normalisation; a pixel is covered where its centre is."""
    third = 65536 // 3
    plan = (WHOLE, (-1, 0), (0, third, third + 1, 65536))
    view = render_one(render, plan, ViewLook(mean=0.5, deviation=0.25))
    expected = IMAGE / 250
    expected[0, 1:] = 0.0
    np.testing.assert_allclose(view, (expected - 0.5) / 0.25, atol=1e-5)


@MODULES
@pytest.mark.parametrize(
    ("look", "change"),
    [
        (
            ViewLook(jitter=1.0, brightness=(1.25, 1.25), contrast=(0.5, 0.5)),
            lambda x: 1.25 * (0.5 + 0.5 * (x - 0.5)),
        ),
        (
            ViewLook(jitter=1.0, brightness=(2.0, 2.0), contrast=(3.0, 3.0)),
            lambda x: np.clip(2 * (0.5 + 3 * (x - 0.5)), 0, 1),
        ),
        (ViewLook(gamma_probability=1.0, gamma=(2.0, 2.0)), lambda x: x**2),
        (ViewLook(solarize=1.0), lambda x: np.where(x >= 0.5, 1 - x, x)),
    ],
    ids=["jitter", "clipped_jitter", "gamma", "solarize"],
)
def test_intensities_by_hand(render, look, change):
    view = render_one(render, (WHOLE, (-1, 0), NO_CUTOUT), look)
    np.testing.assert_allclose(view, change(IMAGE / 250), atol=1e-6)


@MODULES
def test_blur_by_hand(render):
    """σ = ½: weights of e⁰, e⁻² and e⁻⁸ at 0, 1 and 2 pixels; borders repeat outwards."""
    look = ViewLook(blur=1.0, blur_sigma_px=(0.5, 0.5))
    view = render_one(render, (WHOLE, (-1, 0), NO_CUTOUT), look)
    near, far = np.exp(-2.0), np.exp(-8.0)
    edge = near + far
    weights = np.array([[1 + edge, near, far], [edge, 1, edge], [far, near, 1 + edge]])
    weights /= weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(view, weights @ (IMAGE / 250) @ weights.T, atol=1e-6)


@pytest.mark.parametrize("case", view_cases() + pyramid_cases(), ids=lambda case: case.name)
def test_parity(case: ViewCase):
    assert_views_match(case, render_cpu(*case.inputs))


def test_groups_share_a_pyramid_and_nothing_else():
    """Views of two sizes in one call are those of two calls, to the bit."""
    shapes = [(301, 407), (33, 70), (512, 400)]
    images = [make_image(shape, "uint8", seed) for seed, shape in enumerate(shapes)]
    # A changed contrast would enlarge what the pyramid differs by.
    look = replace(EVERY_OTHER, jitter=0.0)
    case = ViewCase("small", images, view_maps(3), WHOLE_LAW, (look,) * 5, (16, 16), num_before=2)
    groups = (GroupLooks((look,) * 2, (64, 48)), case.group)
    plan = (case.maps, case.window.marks, *case.plan)
    shared = (images, case.ranges, plan, case.index, case.key)
    together = cpu.render_views(*shared, groups)
    assert [views.shape for views in together] == [(2, 3, 64, 48), (5, 3, 16, 16)]
    (alone,) = cpu.render_views(*shared, groups[:1])
    np.testing.assert_array_equal(together[0], alone)
    for views, group in zip(together, groups, strict=True):
        saliency = (case.maps, case.window.marks)
        given = (images, case.ranges, saliency, case.plan, case.index, case.key)
        expected = reference.render_views(*given, group)
        difference = np.abs(views.swapaxes(0, 1) - expected) * look.deviation
        assert difference.max() <= TOLERANCE["pyramid_border"]


@pytest.mark.parametrize("case", pyramid_cases(), ids=lambda case: case.name)
def test_pyramid_keeps_the_mean(case: ViewCase):
    """Halving must not shift the view: its error has no mean and no gradient along an axis."""
    difference = render_cpu(*case.inputs) - reference.render_views(*case.inputs)
    if case.tolerance == "pyramid":
        assert np.abs(difference.mean(axis=(2, 3))).max() < 0.002
