"""Two gloo processes against one: same loss, same weights, same norms; and one that dies."""

from __future__ import annotations

import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gca_dali.common.state import read_state
from gca_dali.ssl.config import PretrainConfig
from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.presets import METHODS
from gca_dali.ssl.pretrain import pretrain
from pretrain_loader import PatternLoader

WORKER = Path(__file__).with_name("torchrun_worker.py")
# In float64 nothing but the order of sums tells two processes from one.
LOSS_TOLERANCE = 1e-9


def _torchrun(task: str, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return _run(command, task, out)


def _run(command: list[str], task: str, out: Path) -> subprocess.CompletedProcess[str]:
    root = WORKER.parents[2]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{root}:{root / 'kernels'}",
    }
    return subprocess.run(
        [*command, str(WORKER), task, str(out)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


def _worker_module():
    spec = importlib.util.spec_from_file_location("torchrun_worker", WORKER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _losses(out: Path) -> np.ndarray:
    with open(out / "logs" / "version_0" / "metrics.csv") as file:
        return np.array([float(row["loss"]) for row in csv.DictReader(file)])


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("two")
    done = _torchrun("compare", out)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one")
    done = _run([sys.executable], "alone", out)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_two_processes_train_as_one_does(
    method: str, one_process: Path, two_processes: Path
) -> None:
    one, two = _losses(one_process / method), _losses(two_processes / method)
    assert len(one) == len(two) == 2
    np.testing.assert_allclose(two, one, rtol=LOSS_TOLERANCE)
    assert len(np.unique(one)) == 2


@pytest.mark.slow
def test_synchronised_norms_see_the_whole_batch(two_processes: Path) -> None:
    worker = _worker_module()
    whole = worker.run_norms(worker.make_norms(), worker.norm_images())
    parts = [read_state(two_processes / f"norms-{rank}.safetensors") for rank in range(2)]
    for name in ("output", "gradient"):
        both = torch.cat([part[name] for part in parts])
        torch.testing.assert_close(both, whole[name], rtol=1e-4, atol=1e-4)
    for part in parts:
        for name in ("0.running_mean", "2.running_var", "0.num_batches_tracked"):
            torch.testing.assert_close(part[name], whole[name])


@pytest.mark.slow
def test_a_killed_process_ends_the_run_with_a_usable_checkpoint(tmp_path: Path) -> None:
    done = _torchrun("killed", tmp_path)
    assert done.returncode != 0
    assert "all 2 processes must stay alive, got a lost one at step 4" in done.stderr
    checkpoint = tmp_path / "simclr" / "last.safetensors"
    assert f"Start again with --resume: {checkpoint}" in done.stderr
    config = PretrainConfig(
        "simclr", encoder=EncoderConfig(view_size_px=32), num_epochs=2, device="cpu"
    )
    loader = PatternLoader(num_images=48, batch_size=16)
    result = pretrain(loader, config, tmp_path / "again", resume=checkpoint)
    assert result.num_steps == 6 and not result.interrupted


@pytest.mark.slow
def test_shuffled_keys_are_resumed_exactly(tmp_path: Path) -> None:
    done = _torchrun("resume", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    whole, part = (
        read_state(tmp_path / name / "last.safetensors")["module"] for name in ("whole", "part")
    )
    for name in whole:
        assert torch.equal(part[name], whole[name]), name
