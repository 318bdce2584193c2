"""The study's runner on phantoms, for its tests."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
TINY_STUDY = {
    "name": "tiny",
    "data": "knees",
    "arms": ["untrained", "random", "crop@shuffled"],
    "seeds": [0],
    "size_px": 32,
    "num_images": 24,
    "num_epochs": 2,
    "batch_size": 8,
    "fractions": [0.5, 1.0],
}

PLAN = {
    "measure": "auc",
    "mode": "linear",
    "fraction": "1",
    "method": "simclr",
    "level": 0.05,
    "seeds": [0],
    "comparisons": [
        {"arm": "crop@shuffled", "against": "random", "asks": "this"},
        {"arm": "gca", "against": "random", "asks": "that"},
    ],
}


def load_module(name: str) -> ModuleType:
    """Import a module of benchmarks/study as its scripts do."""
    for folder in (BENCHMARKS, BENCHMARKS / "study"):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    return importlib.import_module(name)


def write_config(folder: Path, **changes: object) -> Path:
    """Write the config of a study that takes seconds."""
    path = folder / "tiny.json"
    path.write_text(json.dumps(TINY_STUDY | changes))
    return path


def write_predictor(folder: Path) -> Path:
    """Write a small predictor with random weights."""
    from gca_dali.gaze.network import GazeNetwork, NetworkConfig
    from gca_dali.gaze.predictor import GazePredictor, PredictorFacts

    torch.manual_seed(0)
    network = GazeNetwork(NetworkConfig(decoder_channels=(32, 24, 16), input_px=64, map_px=16))
    mean_map = np.full((16, 16), 1 / 256, np.float32)
    facts = PredictorFacts(simulated=True, num_maps=1)
    path = folder / "predictor.safetensors"
    GazePredictor(network, mean_map, facts, "cpu").save(path)
    return path
