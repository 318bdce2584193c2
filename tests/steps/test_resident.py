"""A resident set gives what the loader gives, to the bit, and bears the same faults."""

from __future__ import annotations

import shutil

import pytest
import torch

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.steps.quarantine import UnreadableFileError

POLICY = ViewPolicy.gca(size=40)


def assert_same_epochs(first: GCALoader, second: GCALoader, num_epochs: int = 2) -> None:
    for _ in range(num_epochs):
        for mine, other in zip(first, second, strict=True):
            for name in ("index", "label", "windows", "retained", "grown"):
                assert torch.equal(getattr(mine, name), getattr(other, name)), name
            for view, other_view in zip(mine.views, other.views, strict=True):
                assert torch.equal(view, other_view)


@pytest.mark.parametrize("options", [{}, {"drop_last": False, "batch_size": 5}])
def test_same_as_the_loader(phantoms, options):
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    options = {"batch_size": 4, "device": "cpu", "saliency": phantoms / "maps"} | options
    resident = GCALoader(manifest, POLICY, resident=True, **options)
    assert_same_epochs(resident, GCALoader(manifest, POLICY, **options))


def test_deep_images_keep_their_range(deep_phantoms):
    manifest = Manifest.from_csv(deep_phantoms / "labels.csv")
    options = {"batch_size": 2, "device": "cpu", "saliency": "centre"}
    resident = GCALoader(manifest, POLICY, resident=True, **options)
    assert_same_epochs(resident, GCALoader(manifest, POLICY, **options))


def test_resume_and_early_exit(phantoms):
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    options = {"batch_size": 4, "device": "cpu", "saliency": "centre", "resident": True}
    whole = [batch.views[0] for batch in GCALoader(manifest, POLICY, **options)]
    first = GCALoader(manifest, POLICY, **options)
    taken = [batch.views[0] for _, batch in zip(range(3), first, strict=False)]
    second = GCALoader(manifest, POLICY, **options)
    second.load_state_dict(first.state_dict())
    taken += [batch.views[0] for batch in second]
    assert len(taken) == len(whole)
    assert all(torch.equal(mine, other) for mine, other in zip(taken, whole, strict=True))


@pytest.fixture
def broken(phantoms, tmp_path) -> tuple[Manifest, int]:
    """A manifest of which one file turns bad after it was indexed, and its row."""
    shutil.copytree(phantoms / "images", tmp_path / "images")
    manifest = Manifest.from_folder(tmp_path / "images")
    row = 3
    size = manifest.num_bytes[row]
    path = tmp_path / "images" / manifest.path[row]
    path.write_bytes(path.read_bytes()[:200] + bytes(int(size) - 200))
    return manifest, row


def test_a_broken_file_is_replaced_as_by_the_loader(broken):
    manifest, row = broken
    options = {"batch_size": 4, "device": "cpu", "saliency": "centre"}
    resident = GCALoader(manifest, POLICY, resident=True, **options)
    plain = GCALoader(manifest, POLICY, **options)
    list(plain)  # finds the fault
    seen = [index for batch in resident for index in batch.index.tolist()]
    assert row not in seen and len(seen) == len(manifest)
    assert resident.quarantine.reasons.keys() == plain.quarantine.reasons.keys() == {row}
    assert_same_epochs(resident, plain, 1)


def test_a_loaded_state_sets_files_aside(phantoms):
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    options = {"batch_size": 4, "device": "cpu", "saliency": "centre"}
    resident = GCALoader(manifest, POLICY, resident=True, **options)
    next(iter(resident))  # decodes all
    plain = GCALoader(manifest, POLICY, **options)
    state = plain.state_dict() | {"quarantine": {"5": "lost", "9": "lost"}}
    for loader in (resident, plain):
        loader.load_state_dict(state)
    assert_same_epochs(resident, plain, 1)


def test_raise_names_the_file(broken):
    manifest, row = broken
    options = {"batch_size": 4, "device": "cpu", "saliency": "centre", "on_error": "raise"}
    loader = GCALoader(manifest, POLICY, resident=True, **options)
    with pytest.raises(UnreadableFileError, match=str(manifest.path[row])):
        next(iter(loader))
