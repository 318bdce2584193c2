"""Gaze-conditioned views of X-rays for self-supervised learning, on NVIDIA DALI.

A folder of X-rays and a saliency source go in, pairs of views come out as PyTorch tensors. Names
are loaded on first use, so `import gca_dali` costs no torch, DALI, CuPy or Numba.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gca_dali import adapters as adapters
    from gca_dali.data.manifest import Manifest as Manifest
    from gca_dali.gaze.predictor import GazePredictor as GazePredictor
    from gca_dali.loader import GCALoader as GCALoader
    from gca_dali.policy.group import ViewGroup as ViewGroup
    from gca_dali.policy.view_policy import ViewPolicy as ViewPolicy
    from gca_dali.ssl.encoder_files import load_encoder as load_encoder
    from gca_dali.steps.batch import ViewBatch as ViewBatch

__version__ = "0.1.0"

_HOME_OF = {
    "GCALoader": "gca_dali.loader",
    "GazePredictor": "gca_dali.gaze.predictor",
    "Manifest": "gca_dali.data.manifest",
    "ViewBatch": "gca_dali.steps.batch",
    "ViewGroup": "gca_dali.policy.group",
    "ViewPolicy": "gca_dali.policy.view_policy",
    "load_encoder": "gca_dali.ssl.encoder_files",
}

__all__ = [
    "GCALoader",
    "GazePredictor",
    "Manifest",
    "ViewBatch",
    "ViewGroup",
    "ViewPolicy",
    "__version__",
    "adapters",
    "load_encoder",
]


def __getattr__(name: str) -> object:
    """Import `name` from its module on first use (PEP 562)."""
    if name == "adapters":
        return importlib.import_module("gca_dali.adapters")
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'gca_dali' has no attribute {name!r}")
