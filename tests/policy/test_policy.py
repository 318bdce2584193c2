"""Policies: presets as published, changes, refusals."""

from __future__ import annotations

import pytest

from gca_dali.policy.parts import Appearance, Change, Crop, Cutout
from gca_dali.policy.view_policy import PRESETS, ViewPolicy


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_has_its_own_name_and_can_be_changed(name):
    policy = ViewPolicy.preset(name, size=96, channels=3)
    assert (policy.size, policy.channels) == (96, 3)
    assert policy == getattr(ViewPolicy, name)(size=96, channels=3)
    assert len(policy.view_looks(4)) == 4


def test_published_numbers():
    random, simclr, byol = ViewPolicy.random(), ViewPolicy.simclr(), ViewPolicy.byol()
    assert (random.crop.size_range, simclr.crop.size_range) == ((0.2, 1.0), (0.08, 1.0))
    assert byol.appearances[0].blur == Change(1.0, (0.1, 2.0))
    blur = byol.appearances[1].blur
    assert blur is not None and blur.probability == 0.1
    assert byol.appearances[1].solarize == 0.2
    paper = ViewPolicy.gca_paper()
    assert paper.cutout is not None
    assert (paper.crop.law, paper.crop.tau, paper.crop.weight) == ("rejection", 0.8, 0)
    assert (paper.cutout.max_loss, paper.appearances[0].mask) == (0.1, "hard")
    focus = ViewPolicy.focus_contrast()
    assert (focus.crop.size_by, focus.crop.size_range, focus.crop.tau) == ("zoom", (1, 2), 0.9)
    assert focus.rotation_degrees == 45.0
    gca = ViewPolicy.gca()
    assert (gca.crop.law, gca.crop.tau, gca.appearances[0].mask) == ("size_first", 0.92, "soft")


def test_which_presets_look_at_saliency():
    reading = {name for name in PRESETS if ViewPolicy.preset(name).reads_saliency}
    assert reading == {"gca", "gca_paper", "focus_contrast", "contrastive_crop"}


def test_views_take_their_appearances_in_turn():
    looks = ViewPolicy.byol().view_looks(3)
    assert looks[0] == looks[2] != looks[1]


def test_replace_reaches_into_the_crop():
    policy = ViewPolicy.gca().replace(tau=0.5, flip=0.0)
    assert (policy.crop.tau, policy.crop.weight, policy.flip) == (0.5, 1, 0.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Crop(tau=1.5), "tau must be 0 to 1, got 1.5"),
        (lambda: Crop(law="best"), "law must be one of 'size_first', .* got 'best'"),
        (lambda: Crop(weight=3), "weight must be one of 0, 1, 2, got 3"),
        (lambda: Crop(size_range=(0.5, 0.2)), "size_range must be two ascending numbers"),
        (lambda: Crop(size_by="zoom", size_range=(0.5, 2)), "size_range must be .* in 1 to 100"),
        (lambda: Crop(num_candidates=0), "num_candidates must be 1 to 10000, got 0"),
        (lambda: Crop(law="contrastive_crop", tau=0.9), "tau and weight must be 0 with law"),
        (lambda: Cutout(side_range=(0.2, 1.2)), "side_range must be two ascending numbers"),
        (lambda: Cutout(max_loss=-0.1), "max_loss must be 0 to 1, got -0.1"),
        (lambda: Cutout(num_redraws=0), "num_redraws must be 1 to 10000, got 0"),
        (lambda: Appearance(mask="fuzzy"), "mask must be one of 'none', 'soft', 'hard'"),
        (lambda: Appearance(jitter=2.0), "jitter must be 0 to 1, got 2.0"),
        (lambda: Appearance(blur=Change(0.5, (0.0, 2.0))), "blur.strength must be two ascending"),
        (lambda: ViewPolicy(size=0), "size must be 1 to 4096 pixels, got 0"),
        (lambda: ViewPolicy(channels=2), "channels must be one of 1, 3, got 2"),
        (lambda: ViewPolicy(dtype="int8"), "dtype must be one of 'float32'"),
        (lambda: ViewPolicy(deviation=0.0), "deviation must be positive, got 0.0"),
        (lambda: ViewPolicy(rotation_degrees=270.0), "rotation_degrees must be 0 to 180"),
        (lambda: ViewPolicy(appearances=()), "appearances must hold at least one Appearance"),
        (lambda: ViewPolicy.preset("best"), "policy must be one of 'gca', .* got 'best'"),
    ],
)
def test_impossible_policies_are_refused_at_birth(make, message):
    with pytest.raises(ValueError, match=message):
        make()
