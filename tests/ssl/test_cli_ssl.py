"""`gca-dali pretrain` and `gca-dali probe` as they are typed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gca_dali.cli import pretrain as pretrain_command
from gca_dali.cli import probe as probe_command
from gca_dali.cli.several import repeat_options
from gca_dali.ssl import pretrain as training_loop

SMALL = ["--size", "32", "--batch-size", "8", "--epochs", "2", "--device", "cpu"]


def _pretrain(folder: Path, out: Path, *options: str):
    arguments = [str(folder / "labels.csv"), "--method", "byol", "--out", str(out), *SMALL]
    return CliRunner().invoke(pretrain_command.app, [*arguments, *options])


@pytest.fixture(scope="module")
def trained(phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    done = _pretrain(phantom_folder, out, "--where", "split=train", "--json")
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["checkpoint"] == str(out / "last.safetensors")
    assert (facts["epochs"], facts["steps"]) == (2, 8)
    assert {"loss", "feature_std", "images_per_second", "waiting_share"} <= set(facts)
    return out


def test_a_checkpoint_is_not_written_over(trained: Path, phantom_folder: Path) -> None:
    done = _pretrain(phantom_folder, trained)
    assert done.exit_code == 1 and done.stdout == ""
    assert "out must hold no checkpoint" in done.stderr and "--resume" in done.stderr


def test_resume_of_other_settings_is_refused(trained: Path, phantom_folder: Path) -> None:
    done = _pretrain(
        phantom_folder, trained, "--resume", "--where", "split=train", "--preset", "published"
    )
    assert done.exit_code == 1
    assert "preset must be small as in the checkpoint, got published" in done.stderr


def test_ctrl_c_saves_and_resume_finishes(
    phantom_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = training_loop.PretrainRun.train_on

    def interrupted_step(self, batch):
        if self.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch)

    monkeypatch.setattr(training_loop.PretrainRun, "train_on", interrupted_step)
    done = _pretrain(phantom_folder, tmp_path / "run", "--where", "split=train", "--json")
    assert done.exit_code == 130 and done.stdout == ""
    assert "at step 3; --resume goes on" in done.stderr
    monkeypatch.undo()
    done = _pretrain(phantom_folder, tmp_path / "run", "--where", "split=train", "--resume")
    assert done.exit_code == 0, done.stderr
    assert "2 (8 steps)" in done.stdout and "gca-dali probe" in done.stdout


def test_a_missing_method_is_bad_usage(phantom_folder: Path) -> None:
    done = CliRunner().invoke(pretrain_command.app, [str(phantom_folder)])
    assert done.exit_code == 2 and "--method" in done.stderr


def test_probe_takes_fractions_as_the_contract_writes_them(
    trained: Path, phantom_folder: Path
) -> None:
    arguments = [str(trained / "last.safetensors"), str(phantom_folder / "labels.csv")]
    options = ["--fractions", "0.5", "1", "--against", "untrained", "--device", "cpu", "--json"]
    done = CliRunner().invoke(probe_command.app, [*arguments, *options])
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert list(result["fractions"]) == ["0.5", "1"]
    for scores in result["fractions"].values():
        low, high = scores["accuracy_ci95"]
        assert 0 <= low <= scores["accuracy"] <= high <= 1
        assert {"mae", "auc", "kappa", "mae_ci95"} <= set(scores)
    assert result["num_train"] == 32 and result["num_test"] == 8 and result["num_unread"] == 0
    assert set(result["against"]["difference"]["1"]) == {"accuracy", "mae", "auc", "kappa"}


def test_probe_shows_a_table(trained: Path, phantom_folder: Path) -> None:
    checkpoint = str(trained / "last.safetensors")
    arguments = [checkpoint, str(phantom_folder / "labels.csv"), "--against", checkpoint]
    done = CliRunner().invoke(probe_command.app, [*arguments, "--device", "cpu"])
    assert done.exit_code == 0, done.stderr
    assert "100 %" in done.stdout and "accuracy" in done.stdout and "8 test images" in done.stdout


def test_finetuning_learns_a_few_epochs(trained: Path, phantom_folder: Path) -> None:
    arguments = [str(trained / "last.safetensors"), str(phantom_folder / "labels.csv")]
    options = ["--mode", "finetune", "--epochs", "1", "--device", "cpu", "--json"]
    done = CliRunner().invoke(probe_command.app, [*arguments, *options])
    assert done.exit_code == 0, done.stderr
    assert 0 <= json.loads(done.stdout)["fractions"]["1"]["accuracy"] <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fractions", "2"], "fractions must lie in (0, 1], got (2.0,)"),
        (["--against", "nowhere"], "checkpoint must be a file, got nowhere"),
    ],
)
def test_probe_refuses(
    options: list[str], message: str, trained: Path, phantom_folder: Path
) -> None:
    arguments = [str(trained / "last.safetensors"), str(phantom_folder / "labels.csv")]
    done = CliRunner().invoke(probe_command.app, [*arguments, "--device", "cpu", *options])
    assert done.exit_code == 1 and done.stdout == ""
    assert message in done.stderr and len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["a", "--f", "1", "2", "3"], ["a", "--f", "1", "--f", "2", "--f", "3"]),
        (["--f", "1", "--g", "2", "b"], ["--f", "1", "--g", "2", "b"]),
        (["--f", "1", "--f", "2", "3"], ["--f", "1", "--f", "2", "--f", "3"]),
        (["a", "b", "--json"], ["a", "b", "--json"]),
        (["--f"], ["--f"]),
    ],
)
def test_repeat_options(typed: list[str], read: list[str]) -> None:
    assert repeat_options(typed, ("--f",)) == read
