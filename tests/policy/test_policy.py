"""Policies: presets as published, groups, changes, refusals."""

from __future__ import annotations

import pytest

from gca_dali.policy.group import ViewGroup
from gca_dali.policy.parts import Appearance, Change, Crop, Cutout
from gca_dali.policy.view_policy import PRESETS, ViewPolicy


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_has_its_own_name_and_can_be_changed(name):
    policy = ViewPolicy.preset(name, size=112, channels=3)
    assert (policy.size, policy.channels) == (112, 3)
    assert policy == getattr(ViewPolicy, name)(size=112, channels=3)
    assert getattr(ViewPolicy, name).__doc__
    assert [len(group.looks) for group in policy.looks] == [g.num_views for g in policy.groups]
    assert policy.laws.num_views == policy.num_views


def test_published_numbers():
    def group(name: str) -> ViewGroup:
        (only,) = ViewPolicy.preset(name).groups
        return only

    assert group("random").crop.size_range == (0.2, 1.0)
    assert group("simclr").crop.size_range == (0.08, 1.0)
    first, second = group("byol").appearances
    assert first.blur == Change(1.0, (0.1, 2.0))
    assert second.blur == Change(0.1, (0.1, 2.0)) and second.solarize == 0.2
    (look,) = group("vicreg").appearances
    assert look.solarize == 0.1 and look.blur == Change(0.5, (0.1, 2.0))
    paper = group("gca_paper")
    assert paper.cutout is not None
    assert (paper.crop.law, paper.crop.tau, paper.crop.weight) == ("rejection", 0.8, 0)
    assert (paper.cutout.max_loss, paper.appearances[0].mask) == (0.1, "hard")
    focus = group("focus_contrast")
    assert (focus.crop.size_by, focus.crop.size_range, focus.crop.tau) == ("zoom", (1, 2), 0.9)
    assert focus.rotation_degrees == 45.0
    # The papers' mask leaves a tenth of the brightness.
    assert (focus.appearances[0].mask, focus.appearances[0].mask_floor) == ("soft", 0.1)


def test_our_own_presets():
    def crop(name: str) -> Crop:
        return ViewPolicy.preset(name).groups[-1].crop

    assert (crop("gca").law, crop("gca").rho, crop("gca").focus) == ("relative", 0.9, True)
    assert (crop("gca_relative").law, crop("gca_relative").focus) == ("relative", False)
    assert (crop("gca_focus").law, crop("gca_focus").focus) == ("free", True)
    assert (crop("gca_hold").law, crop("gca_hold").tau) == ("hold", 0.92)
    (look,) = ViewPolicy.gca().groups[0].appearances
    assert look.mask == "soft" and look.mask_floor > 0.1
    assert ViewPolicy.gca_hold().groups[0].cutout == ViewPolicy.gca().groups[0].cutout is not None


@pytest.mark.parametrize(
    ("name", "least", "local", "blurs"),
    [
        ("dino", 0.4, (0.05, 0.4), (1.0, 0.1)),
        ("dinov2", 0.32, (0.05, 0.32), (0.0, 0.9)),
        ("gca_dino", 0.32, (0.05, 0.32), (1.0, 0.1)),
    ],
)
def test_presets_of_two_groups(name, least, local, blurs):
    policy = ViewPolicy.preset(name)
    large, small = policy.groups
    assert [(g.num_views, g.size) for g in (large, small)] == [(2, 224), (8, 96)]
    assert (large.crop.law, large.crop.size_range) == ("free", (least, 1.0))
    assert small.crop.size_range == local
    looks = large.appearances
    assert tuple(look.blur.probability for look in looks if look.blur) == blurs
    assert [look.solarize for look in looks] == [0.0, 0.2]
    assert small.appearances[0].blur == Change(0.5, (0.1, 2.0))
    assert (policy.num_views, policy.slices) == (10, (slice(0, 2), slice(2, 10)))
    assert [group.first_view for group in policy.looks] == [0, 2]


def test_which_presets_look_at_saliency():
    blind = {name for name in PRESETS if not ViewPolicy.preset(name).reads_saliency}
    assert blind == {"random", "simclr", "byol", "vicreg", "searched", "dino", "dinov2"}


def test_views_take_their_appearances_in_turn():
    (group,) = ViewPolicy.byol(num_views=3).looks
    assert group.looks[0] == group.looks[2] != group.looks[1]


def test_replace_reaches_into_the_parts():
    policy = ViewPolicy.gca_hold().replace(tau=0.5, flip=0.0, max_loss=0.2, mask_floor=0.3)
    (group,) = policy.groups
    assert (group.crop.tau, group.crop.weight, group.flip) == (0.5, 1, 0.0)
    assert group.cutout is not None and group.cutout.max_loss == 0.2
    assert group.appearances[0].mask_floor == 0.3
    one = ViewPolicy.byol(**{"appearances.1.solarize": 0.5, "cutout": Cutout()}).groups[0]
    assert [look.solarize for look in one.appearances] == [0.0, 0.5]
    assert ViewPolicy.gca(**{"cutout.probability": 0.9}).groups[0].cutout == Cutout(0.9)
    # What depends on each other changes together.
    held = ViewPolicy.gca(law="hold", focus=False, tau=0.7, cutout=None)
    assert (held.groups[0].crop.law, held.groups[0].crop.tau) == ("hold", 0.7)
    assert held.groups[0].cutout is None


def test_replace_in_several_groups():
    policy = ViewPolicy.dino(size=112, flip=0.0)
    assert [(g.size, g.flip) for g in policy.groups] == [(112, 0.0), (48, 0.0)]
    fewer = policy.replace(**{"groups.1.num_views": 6, "groups.1.size": 40, "groups.0.flip": 0.5})
    assert [(g.num_views, g.size, g.flip) for g in fewer.groups] == [(2, 112, 0.5), (6, 40, 0.0)]
    both = ViewPolicy.random(groups=(ViewGroup(1), ViewGroup(3)), size=64)
    assert [(g.num_views, g.size) for g in both.groups] == [(1, 64), (3, 64)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Crop("hold", tau=1.5), "tau must be 0 to 1, got 1.5"),
        (lambda: Crop(law="best"), "law must be one of 'free', .* got 'best'"),
        (lambda: Crop(weight=3), "weight must be one of 0, 1, 2, got 3"),
        (lambda: Crop(rho=-0.1), "rho must be 0 to 1, got -0.1"),
        (lambda: Crop(max_iou=2.0), "max_iou must be 0 to 1, got 2.0"),
        (lambda: Crop(size_range=(0.5, 0.2)), "size_range must be two ascending numbers"),
        (lambda: Crop(size_by="zoom", size_range=(0.5, 2)), "size_range must be .* in 1 to 100"),
        (lambda: Crop(num_candidates=0), "num_candidates must be 1 to 10000, got 0"),
        (lambda: Crop("relative", tau=0.9), "tau must be 0 with law 'relative', got 0.9. Use law"),
        (
            lambda: Crop("contrastive_crop", weight=1),
            "weight must be 0 with law 'contrastive_crop'",
        ),
        (lambda: Crop("hold", focus=True), "focus must be False with law 'hold', got True"),
        (lambda: Cutout(side_range=(0.2, 1.2)), "side_range must be two ascending numbers"),
        (lambda: Cutout(max_loss=-0.1), "max_loss must be 0 to 1, got -0.1"),
        (lambda: Cutout(num_redraws=0), "num_redraws must be 1 to 10000, got 0"),
        (lambda: Appearance(mask="fuzzy"), "mask must be one of 'none', 'soft', 'hard'"),
        (lambda: Appearance(jitter=2.0), "jitter must be 0 to 1, got 2.0"),
        (lambda: Appearance(mask_floor=1.2), "mask_floor must be 0 to 1, got 1.2"),
        (lambda: Appearance(blur=Change(0.5, (0.0, 2.0))), "blur.strength must be two ascending"),
        (lambda: ViewGroup(num_views=0), "num_views must be at least 1, got 0"),
        (lambda: ViewGroup(size=0), "size must be at least 1, got 0"),
        (lambda: ViewGroup(size=5000), "size must be 1 to 4096 pixels, got 5000"),
        (lambda: ViewGroup(rotation_degrees=270.0), "rotation_degrees must be 0 to 180"),
        (lambda: ViewGroup(appearances=()), "appearances must hold at least one Appearance"),
        (lambda: ViewPolicy(groups=()), "groups must hold at least one ViewGroup, got none"),
        (lambda: ViewPolicy((ViewGroup(200), ViewGroup(57))), "must be at most 256, got 257"),
        (lambda: ViewPolicy(channels=2), "channels must be one of 1, 3, got 2"),
        (lambda: ViewPolicy(dtype="int8"), "dtype must be one of 'float32'"),
        (lambda: ViewPolicy(deviation=0.0), "deviation must be positive, got 0.0"),
        (lambda: ViewPolicy.preset("best"), "policy must be one of 'gca', .* got 'best'"),
        (lambda: ViewPolicy.gca(taw=0.9), "got 'taw'. Did you mean tau?"),
        (lambda: ViewPolicy.gca(**{"crop.roh": 0.9}), "got 'roh'. Did you mean rho?"),
        (lambda: ViewPolicy.gca(**{"groups.4.size": 9}), "name of groups must be .* got '4'"),
        (lambda: ViewPolicy.gca(tau=0.9), "tau must be 0 with law 'relative', got 0.9"),
        (lambda: ViewPolicy.dino(num_views=3), "num_views must say of which of the 2 groups"),
        (lambda: ViewPolicy.random(max_loss=0.2), "max_loss must be a part of this policy"),
    ],
)
def test_impossible_policies_are_refused_at_birth(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": "large"}, "size must be an integer, got 'large'"),
        ({"flip": True}, "flip must be a number, got True"),
        ({"size_range": 0.2}, "size_range must be a list, got 0.2"),
        ({"size_range": (0.1, 0.2, 0.3)}, "size_range must be a list of 2"),
        ({"cutout": 3}, "cutout must be a Cutout, got 3"),
        ({"channels": 1.5}, "channels must be an integer, got 1.5"),
    ],
)
def test_values_of_another_type_are_refused(changes, message):
    with pytest.raises(TypeError, match=message):
        ViewPolicy.gca(**changes)
