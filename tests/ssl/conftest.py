"""Phantoms that the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gca_dali.data.manifest import Manifest
from gca_dali.phantoms import write_phantoms


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Train on one thread: networks as small as these only wait for a second one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty phantom knees of 64 x 64 pixels."""
    folder = tmp_path_factory.mktemp("phantoms")
    return write_phantoms(folder, 40, kind="knee", height=64, width=64)


@pytest.fixture(scope="session")
def phantom_manifest(phantom_folder: Path) -> Manifest:
    """Their rows, with labels, split and patients."""
    return Manifest.from_csv(phantom_folder / "labels.csv")
