"""--policy, --set and --size: presets and files, changed, the same way for every command."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from gca_dali.cli import pretrain as pretrain_module
from gca_dali.cli.common import Report, ViewOptions, command, make_app
from gca_dali.cli.main import app
from gca_dali.cli.policy_option import build_policy
from gca_dali.policy.view_policy import ViewPolicy


def tell(views: ViewOptions) -> Report:
    return Report(views.make_policy().to_dict(), "told")


def run(*arguments: object):
    own = make_app()
    command(own)(tell)
    return CliRunner().invoke(own, list(map(str, arguments)))


def made(*arguments: object) -> ViewPolicy:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return ViewPolicy.from_dict(json.loads(result.stdout))


def test_presets_and_sizes():
    assert made() == ViewPolicy.gca()
    assert made("--policy", "gca_dino") == ViewPolicy.gca_dino()
    assert made("--policy", "dino", "--size", 112) == ViewPolicy.dino(size=112)


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_file_keeps_its_size_unless_one_is_given(tmp_path, suffix):
    policy = ViewPolicy.gca_dino(size=64, rho=0.7)
    path = tmp_path / f"mine.{suffix}"
    policy.save(path)
    assert made("--policy", path) == policy
    assert made("--policy", path, "--size", 128) == policy.replace(size=128)


def test_several_settings_change_the_policy_together():
    # Each alone is refused: tau goes with hold, hold without focus.
    changes = ("law=hold", "tau=0.8", "focus=false", "groups.0.num_views=3", "size=48")
    found = made(*(part for change in changes for part in ("--set", change)))
    expected = ViewPolicy.gca(law="hold", tau=0.8, focus=False, num_views=3, size=48)
    assert found == expected and found.num_views == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--policy", "gac"], "got 'gac'. Did you mean gca?"),
        (["--policy", "gca-dino"], "Did you mean gca_dino?"),
        (["--policy", "mine.yaml"], "a preset or a .toml or .json file"),
        (["--policy", "zzz"], "There are gca, gca_relative"),
        (["--set", "roh=0.8"], "got 'roh'. Did you mean rho?"),
        (["--set", "rho"], "must be NAME=VALUE, got 'rho'"),
        (["--set", "rho=2"], "rho must be 0 to 1, got 2"),
        (["--set", "rho=much"], "rho must be a number, got 'much'"),
        (["--set", "tau=0.9"], "Use law 'hold'"),
        (["--size", "5000"], "size must be 1 to 4096"),
    ],
)
def test_what_is_typed_wrongly_is_bad_usage(arguments, words):
    result = run(*arguments)
    assert result.exit_code == 2
    with pytest.raises(typer.BadParameter) as caught:
        options = dict(zip(arguments[::2], arguments[1::2], strict=True))
        size = options.get("--size")
        settings = [options["--set"]] if "--set" in options else []
        build_policy(options.get("--policy", "gca"), settings, size and int(size))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("none.toml", None, "must be a preset or a file, got"),
        ("bad.toml", "groups = [", "must hold TOML"),
        ("bad.json", "[1]", "must hold a policy, got a list"),
        ("name.toml", 'preset = "gca"\nroh = 0.8\n', "Did you mean rho?"),
        ("type.toml", 'preset = "gca"\nrho = "much"\n', "rho must be a number, got 'much'"),
        ("old.json", '{"law_version": 1}', "law_version must be"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(tmp_path, name, text, words):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    result = run("--policy", path)
    assert result.exit_code == 1
    assert words in result.stderr and name in result.stderr
    assert result.stderr.count("\n") == 1


def test_pretraining_takes_files_and_settings(phantoms, tmp_path, monkeypatch):
    ViewPolicy.random(size=40).save(tmp_path / "mine.toml")
    taken = []

    def stop(training, view, machine, loader):
        taken.append(loader.policy)
        raise ValueError("enough")

    monkeypatch.setattr(pretrain_module, "_make_config", stop)
    arguments = ["pretrain", str(phantoms / "labels.csv"), "--method", "simclr", "--device", "cpu"]
    arguments += ["--out", str(tmp_path / "run"), "--policy", str(tmp_path / "mine.toml")]
    result = CliRunner().invoke(app, [*arguments, "--batch-size", "4", "--set", "flip=0"])
    assert "enough" in result.stderr
    assert taken == [ViewPolicy.random(size=40, flip=0.0)]


def test_bench_makes_the_views_of_a_policy(phantoms, tmp_path):
    ViewPolicy.gca_dino(size=56).save(tmp_path / "mine.toml")
    options = (
        "--batch-size 4 --rounds 2 --seconds 0.1 --device cpu --json --set groups.1.num_views=3"
    )
    arguments = ["bench", str(phantoms / "images"), "--policy", str(tmp_path / "mine.toml")]
    result = CliRunner().invoke(app, [*arguments, *options.split()])
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert "2 views of 56 px and 3 views of 24 px" in told["workload"]
    assert all(row["images_per_second"] > 0 for row in told["loaders"].values())
