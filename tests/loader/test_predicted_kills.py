"""Processes that are killed while they fill a table, and two that fill it together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from gca_dali.gaze.network import GazeNetwork, NetworkConfig
from gca_dali.gaze.predictor import GazePredictor, PredictorFacts

ROOT = Path(__file__).resolve().parents[2]
NUM_KILLS = 24


def test_no_kill_leaves_a_torn_map_and_the_table_becomes_that_of_an_uninterrupted_run(
    phantoms, tmp_path
):
    torch.manual_seed(0)
    network = GazeNetwork(NetworkConfig(decoder_channels=(32, 24, 16), input_px=64, map_px=16))
    mean_map = np.full((16, 16), 1 / 256, np.float32)
    predictor = tmp_path / "tiny.safetensors"
    GazePredictor(network, mean_map, PredictorFacts(True, 1), "cpu").save(predictor)
    worker = Path(__file__).with_name("fill_worker.py")
    done = subprocess.run(
        [sys.executable, worker, phantoms / "labels.csv", predictor, str(NUM_KILLS)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ
        | {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}",
            "OMP_NUM_THREADS": "1",
            "GCA_DALI_CACHE": str(tmp_path / "cache"),
        },
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] == NUM_KILLS and found["maps"] == found["images"] == 28
    assert found["tables"] >= 2
    assert (found["torn"], found["unequal"], found["together_equal"]) == (0, 0, True)
