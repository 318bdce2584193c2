"""Write and read the known answers of the window laws: `python tests/known_windows.py` writes them.

A law that gives other windows for the same key needs another `LAW_VERSION`: old policies, stores
and studies would not be what they say.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from gca_dali.policy.view_policy import PRESETS, ViewPolicy
from gca_dali_kernels.law import LAW_VERSION, ViewLaws
from gca_dali_kernels.reference.integrate_maps import integrate_maps
from gca_dali_kernels.reference.sample_cutouts import sample_cutouts
from gca_dali_kernels.reference.sample_windows import sample_windows

FILE = Path(__file__).with_suffix(".json")
KEY = (2**63 + 5, 3)
NAMES = ("windows", "turns", "grown", "focus", "cutouts")


def inputs() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return integrals, marks, indices and shapes of three images, of integers alone."""
    y, x = np.mgrid[:16, :16]
    wide = np.maximum(255 - 3 * ((y - 7) ** 2 + (x - 9) ** 2), 0)
    spots = np.where((y - 3) ** 2 + (x - 12) ** 2 < 4, 255, 0)
    spots = spots + np.where((y - 11) ** 2 + (x - 5) ** 2 < 3, 120, 1)
    maps = np.stack([wide, spots, np.zeros_like(wide)]).astype(np.uint8)
    index = np.array([0, 41, 2**31 + 7], np.int64)
    shapes = np.array([(480, 640), (2000, 1500), (97, 101)], np.int32)
    return (*integrate_maps(maps), index, shapes)


def all_laws() -> dict[str, ViewLaws]:
    """Return the laws of all presets, and of crops that no preset has."""
    policies = {name: ViewPolicy.preset(name) for name in PRESETS}
    policies["weighted"] = ViewPolicy.gca_relative(weight=2, rho=0.2, size_range=(0.1, 0.4))
    policies["apart"] = ViewPolicy.gca_focus(max_iou=0.3, num_views=4, size_range=(0.1, 0.5))
    policies["turned"] = ViewPolicy.gca(rotation=1.0, rotation_degrees=30.0)
    return {name: policy.laws for name, policy in policies.items()}


def draw(laws: ViewLaws, windows=sample_windows, cutouts=sample_cutouts) -> dict[str, list]:
    """Return what is drawn for the three images, as lists."""
    integrals, marks, index, shapes = inputs()
    drawn = windows(integrals, marks, index, shapes, KEY, laws)
    hidden = cutouts(integrals, drawn[0], drawn[1], index, shapes, KEY, laws)
    found = (drawn[0], drawn[1], drawn[3].astype(int), drawn[4], hidden)
    return {name: array.tolist() for name, array in zip(NAMES, found, strict=True)}


def main() -> None:
    """Write the file."""
    answers = {name: draw(laws) for name, laws in all_laws().items()}
    text = json.dumps({"law_version": LAW_VERSION, "answers": answers}, indent=None)
    FILE.write_text(text.replace('"windows"', '\n"windows"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
