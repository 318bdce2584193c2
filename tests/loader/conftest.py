"""Loaders of phantoms with their maps."""

from __future__ import annotations

import pytest

from gca_dali import GCALoader, Manifest, ViewPolicy


@pytest.fixture(scope="module")
def manifest(phantoms) -> Manifest:
    return Manifest.from_csv(phantoms / "labels.csv")


@pytest.fixture
def make(manifest, phantoms):
    def build(policy: ViewPolicy | None = None, **options) -> GCALoader:
        options = {"batch_size": 4, "saliency": phantoms / "maps", "device": "cpu"} | options
        rows = options.pop("rows", None)
        chosen = manifest if rows is None else manifest.take(rows)
        return GCALoader(chosen, policy or ViewPolicy.gca(size=48), **options)

    return build
