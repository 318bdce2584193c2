"""Policies as files: out and in, by hand, and what is refused in one line."""

from __future__ import annotations

import json

import pytest

from gca_dali.policy.files import parse_setting
from gca_dali.policy.view_policy import PRESETS, ViewPolicy
from gca_dali_kernels.law import LAW_VERSION


@pytest.mark.parametrize("suffix", [".toml", ".json"])
@pytest.mark.parametrize("name", PRESETS)
def test_what_is_saved_is_loaded(name, suffix, tmp_path):
    policy = ViewPolicy.preset(name, size=64, mean=0.4)
    path = tmp_path / f"policy{suffix}"
    policy.save(path)
    assert ViewPolicy.load(path) == policy
    assert ViewPolicy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy


def test_a_file_may_name_a_preset_and_what_to_change(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'preset = "gca_dino"\nsize = 112\n"groups.1.num_views" = 6\n[cutout]\nprobability = 0.25\n',
        encoding="utf-8",
    )
    policy = ViewPolicy.load(path)
    assert [(g.num_views, g.size) for g in policy.groups] == [(2, 112), (6, 48)]
    assert all(g.cutout is not None and g.cutout.probability == 0.25 for g in policy.groups)


def test_what_is_left_out_keeps_its_default():
    data = {"law_version": LAW_VERSION, "groups": [{"num_views": 3, "crop": {"law": "relative"}}]}
    (group,) = ViewPolicy.from_dict(data).groups
    assert (group.num_views, group.size, group.crop.law, group.crop.rho) == (
        3,
        224,
        "relative",
        0.9,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("groups = 3", r"law_version must be \d+, got None"),
        ("law_version = 1", r"mine.toml: law_version must be \d+, got 1. Make the policy anew"),
        ("law_version = {v}\ngruops = []", "mine.toml: .* got 'gruops'. Did you mean groups?"),
        ("law_version = {v}\ngroups = []", "groups must hold at least one ViewGroup"),
        ("law_version = {v}\ngroups = [{{num_views = 0}}]", "num_views must be at least 1"),
        ("law_version = {v}\ngroups = [{{size = 1.5}}]", "groups.0.size must be an integer"),
        (
            'law_version = {v}\ngroups = [{{crop = {{lwa = "free"}}}}]',
            "name of groups.0.crop must be .* got 'lwa'. Did you mean law?",
        ),
        ('preset = "gcaa"', "policy must be one of 'gca'"),
        ("law_version =", "mine.toml must hold TOML, got "),
    ],
)
def test_wrong_files_are_refused_by_name(text, message, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text.format(v=LAW_VERSION), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        ViewPolicy.load(path)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"policy must be a preset or a file, got .*no.toml"
    ):
        ViewPolicy.load(tmp_path / "no.toml")
    with pytest.raises(ValueError, match=r"path must end in .toml or .json, got .*a.yaml"):
        ViewPolicy.gca().save(tmp_path / "a.yaml")
    (tmp_path / "list.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match="must hold a policy, got a list"):
        ViewPolicy.load(tmp_path / "list.json")


def test_a_part_given_whole_comes_before_its_parts(tmp_path):
    """In TOML the short names stand before the tables."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'preset = "gca"\nrho = 0.5\nmask_floor = 0.2\n[crop]\nlaw = "relative"\nfocus = true\n'
        '[[appearances]]\nmask = "soft"\n',
        encoding="utf-8",
    )
    (group,) = ViewPolicy.load(path).groups
    assert (group.crop.rho, group.crop.focus) == (0.5, True)
    assert [look.mask_floor for look in group.appearances] == [0.2]
    for changes in (
        {"weight": 1, "crop": {"law": "hold", "tau": 0.9}},
        {"crop": {"law": "hold", "tau": 0.9}, "weight": 1},
    ):
        crop = ViewPolicy.gca().replace(**changes).groups[0].crop
        assert (crop.law, crop.tau, crop.weight) == ("hold", 0.9, 1)
    drawn = ViewPolicy.random().replace(**{"side_range": (0.1, 0.2), "cutout": {}}).groups[0].cutout
    assert drawn is not None and drawn.side_range == (0.1, 0.2)


def test_one_group_s_part_wins_over_all_groups_part():
    for changes in (
        {"groups.1.crop.rho": 0.7, "rho": 0.6},
        {"rho": 0.6, "groups.1.crop.rho": 0.7},
    ):
        groups = ViewPolicy.gca_dino().replace(**changes).groups
        assert [group.crop.rho for group in groups] == [0.6, 0.7]
    changes = {"groups.1.crop.rho": 0.7, "crop": {"law": "relative", "rho": 0.5}}
    groups = ViewPolicy.gca_dino().replace(**changes).groups
    assert [group.crop.rho for group in groups] == [0.5, 0.7]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rho=0.8", ("rho", 0.8)),
        ("size = 96", ("size", 96)),
        ("law=hold", ("law", "hold")),
        ("focus=false", ("focus", False)),
        ("size_range=0.1,0.5", ("size_range", [0.1, 0.5])),
        ("size_range=[0.1, 0.5]", ("size_range", [0.1, 0.5])),
        ("cutout=none", ("cutout", "none")),
    ],
)
def test_settings_of_a_command_line(text, expected):
    assert parse_setting(text) == expected
    if text == "cutout=none":
        assert ViewPolicy.gca(**dict([parse_setting(text)])).groups[0].cutout is None


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(ValueError, match="set must be NAME=VALUE, got 'rho'"):
        parse_setting("rho")
