"""Views of the CPU: the same with and without DALI before them, and errors under their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.gaze.table import SaliencyTable
from gca_dali.pipeline import build_pipeline
from gca_dali.prepare.run import StoreOptions, prepare_store
from gca_dali.runners.cpu import CpuViews
from gca_dali.steps.saliency import load_saliency

POLICY = ViewPolicy.gca(size=40)
OPTIONS: dict[str, Any] = {"batch_size": 4, "device": "cpu"}


@pytest.fixture(scope="module", params=["raw8", "raw16"])
def store(request, phantoms, deep_phantoms, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store") / request.param
    originals = phantoms if request.param == "raw8" else deep_phantoms
    manifest = Manifest.from_csv(originals / "labels.csv")
    prepare_store(manifest, folder, StoreOptions(64, request.param))
    return folder


def through_dali(loader: GCALoader) -> GCALoader:
    """Give a loader the pipeline that encoded images have."""
    pipeline = build_pipeline(loader.source, loader._maker, deep=False, batch_size=4, device="cpu")
    vars(loader)["_pipeline"] = CpuViews(pipeline, loader._maker)
    return loader


def test_views_are_those_of_the_dali_pipeline(store):
    manifest = Manifest.open(store)
    direct = GCALoader(manifest, POLICY, "centre", drop_last=False, **OPTIONS)
    other = through_dali(GCALoader(manifest, POLICY, "centre", drop_last=False, **OPTIONS))
    num_batches = 0
    for _ in range(2):
        for mine, theirs in zip(direct, other, strict=True):
            num_batches += 1
            for name in ("index", "label", "windows", "retained", "grown"):
                assert torch.equal(getattr(mine, name), getattr(theirs, name)), name
            for view, other_view in zip(mine.views, theirs.views, strict=True):
                assert torch.equal(view, other_view)
    assert num_batches == 2 * len(direct)
    assert direct._pipeline.images is direct.source


def test_an_epoch_left_early_leaves_nothing_behind(store):
    manifest = Manifest.open(store).take(np.arange(4))
    loader = GCALoader(manifest, POLICY, "centre", batch_size=1, device="cpu")
    fresh = GCALoader(manifest, POLICY, "centre", batch_size=1, device="cpu")
    next(iter(loader))
    fresh.set_epoch(1)
    for mine, theirs in zip(loader, fresh, strict=True):
        assert torch.equal(mine.views[1], theirs.views[1])
    assert loader.epoch == fresh.epoch == 2


@pytest.fixture(params=["files", "store"])
def manifest(request, phantoms, store) -> Manifest:
    """Images that DALI decodes, and raw ones."""
    return Manifest.open(store if request.param == "store" else phantoms / "labels.csv")


@pytest.mark.parametrize("error", [ValueError, RuntimeError])
def test_a_failing_saliency_is_raised_and_no_sample_blamed(manifest, error):
    class NoGaze(SaliencyTable):
        def take(self, index, images=None):
            raise error("no gaze today")

    table = load_saliency("centre", manifest)
    loader = GCALoader(manifest, POLICY, NoGaze(**vars(table)), **OPTIONS)
    for _ in range(2):
        with pytest.raises(error, match="no gaze today"):
            next(iter(loader))
    assert not loader.quarantine.reasons


def test_a_batch_stays_as_it_was_while_others_are_made(manifest):
    single: dict[str, Any] = OPTIONS | {"batch_size": 1}
    loader = GCALoader(manifest, POLICY, "centre", **single)
    first, *others = [(batch, batch.views[0].clone(), batch.index.clone()) for batch in loader]
    list(loader)
    for batch, view, index in (first, *others):
        assert torch.equal(batch.views[0], view) and torch.equal(batch.index, index)
        assert all(view.is_contiguous() for view in batch.views)


@pytest.mark.parametrize("num_taken", [0, 1, 3])
def test_epochs_left_at_any_time_begin_again_whole(manifest, num_taken):
    options = {**OPTIONS, "batch_size": 1}
    left, whole = (GCALoader(manifest, POLICY, "centre", **options) for _ in range(2))
    for epoch in range(3):
        batches = iter(left)
        for _ in range(num_taken):
            next(batches)
        left.set_epoch(epoch)
        for mine, other in zip(left, whole, strict=True):
            assert torch.equal(mine.index, other.index)
            assert torch.equal(mine.views[1], other.views[1])
