"""`GCALoader`: batches, epochs, and the key that decides each view."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.image.read import read_image
from gca_dali.policy.group import ViewGroup
from gca_dali.policy.parts import Appearance, Crop

SMALL = {"size": 48}


def by_key(loader: GCALoader, epochs: int = 1) -> dict[tuple[int, int, int], tuple]:
    """Return what each (epoch, path, view) came to be."""
    views = {}
    for epoch in range(epochs):
        for batch in loader:
            for b, index in enumerate(batch.index.tolist()):
                for v, view in enumerate(batch.views):
                    decided = (batch.windows[b, v], batch.retained[b, v], batch.grown[b, v])
                    views[epoch, index, v] = (view[b], *decided)
    return views


def assert_same(first: dict, second: dict) -> None:
    assert first.keys() & second.keys()
    for key in first.keys() & second.keys():
        for mine, other in zip(first[key], second[key], strict=True):
            assert torch.equal(mine, other), key


def test_a_batch_is_what_the_contract_says(make, manifest):
    loader = make()
    batch = next(iter(loader))
    assert len(loader) == len(manifest) // 4
    assert [list(view.shape) for view in batch.views] == [[4, 1, 48, 48]] * 2
    assert batch.views[0].dtype == torch.float32
    assert (batch.index.dtype, batch.label.dtype) == (torch.int64, torch.int64)
    assert torch.equal(batch.label, torch.from_numpy(manifest.label)[batch.index])
    assert list(batch.windows.shape) == [4, 2, 4] and batch.windows.dtype == torch.float32
    assert list(batch.retained.shape) == [4, 2] and batch.grown.dtype == torch.bool
    assert not batch.grown.any()
    held = next(iter(make(ViewPolicy.gca_hold(**SMALL))))
    assert (held.retained >= 0.92).all()
    y0, x0, height, width = batch.windows.unbind(-1)
    shape = torch.from_numpy(np.stack([manifest.height, manifest.width], 1))[batch.index]
    assert (y0 >= 0).all() and (x0 >= 0).all() and (height > 0).all() and (width > 0).all()
    assert (y0 + height <= shape[:, :1] + 1e-3).all()
    assert (x0 + width <= shape[:, 1:] + 1e-3).all()
    assert "2 views [4, 1, 48, 48]" in repr(batch) and len(batch) == 4


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_dtype_and_channels(make, dtype):
    half = next(iter(make(ViewPolicy.gca(size=48, channels=3, dtype=dtype))))
    full = next(iter(make()))
    assert half.views[0].dtype == getattr(torch, dtype)
    assert list(half.views[0].shape) == [4, 3, 48, 48]
    assert torch.equal(half.views[0][:, 2:], full.views[0].to(getattr(torch, dtype)))


def test_views_hold_true_pixels(make, manifest):
    whole = ViewGroup(2, 96, Crop(size_by="zoom", size_range=(1.0, 1.0)), flip=0.0)
    policy = ViewPolicy((whole,), mean=0.0, deviation=1.0)
    batch = next(iter(make(policy, saliency=None)))
    for b, index in enumerate(batch.index.tolist()):
        image = read_image(manifest.files[index])
        assert image.shape == (96, 96)
        expected = torch.from_numpy(image.astype(np.float32) / 255)
        assert torch.allclose(batch.views[0][b, 0], expected, atol=1e-6)


def test_sixteen_bits_reach_the_views(deep_phantoms):
    whole = ViewGroup(2, 96, Crop(size_by="zoom", size_range=(1.0, 1.0)), flip=0.0)
    policy = ViewPolicy((whole,))
    manifest = Manifest.from_csv(deep_phantoms / "labels.csv")
    batch = next(iter(GCALoader(manifest, policy, batch_size=2, device="cpu")))
    for view in batch.views[0]:
        assert len(view.unique()) > 1000
        assert (view.min().item(), view.max().item()) == pytest.approx((-2.0, 2.0), abs=1e-5)


def test_a_view_depends_on_its_key_alone(make):
    whole = by_key(make(batch_size=4), epochs=2)
    assert_same(whole, by_key(make(batch_size=5, drop_last=False), epochs=2))
    assert_same(whole, by_key(make(batch_size=3, num_threads=1), epochs=2))
    assert_same(whole, by_key(make(batch_size=4, shuffle=False), epochs=2))
    assert_same(whole, by_key(make(batch_size=2, rank=1, world_size=2), epochs=2))
    other_seed = by_key(make(seed=1))
    assert not torch.equal(whole[0, 0, 0][1], other_seed[0, 0, 0][1])
    assert not torch.equal(whole[0, 0, 0][1], whole[1, 0, 0][1])
    assert not torch.equal(whole[0, 0, 0][1], whole[0, 0, 1][1])


def test_more_views_leave_the_first_as_they_were(make):
    policy = ViewPolicy.gca(**SMALL)
    assert_same(by_key(make(policy)), by_key(make(policy.replace(num_views=5))))
    # Behind other groups too: locals leave the windows of the globals as they were.
    local = ViewGroup(8, 24, Crop("relative", size_range=(0.05, 0.3), focus=True))
    assert_same(by_key(make(policy)), by_key(make(policy.replace(groups=(*policy.groups, local)))))


def test_each_iteration_is_an_epoch_also_after_an_early_exit(make):
    loader = make()
    first = [batch.index.tolist() for batch in loader]
    for batch in loader:
        left = batch.index.tolist()
        break
    third = [batch.index.tolist() for batch in loader]
    fresh = make()
    fresh.set_epoch(1)
    assert left == next(iter(fresh)).index.tolist()
    fresh.set_epoch(2)
    assert third == [batch.index.tolist() for batch in fresh]
    fresh.set_epoch(0)
    assert first == [batch.index.tolist() for batch in fresh]
    assert len(third) == len(loader)


def test_an_older_iterator_says_so_when_it_is_used_after_a_newer_one_has_started(make):
    loader = make()
    old, new = iter(loader), iter(loader)
    next(new)
    with pytest.raises(RuntimeError, match=r"one loop at a time, got an iterator .* also for zip"):
        next(old)
    assert len(list(new)) == len(loader) - 1
    with pytest.raises(RuntimeError, match="one loop at a time"):
        list(zip(loader, loader, strict=True))


def test_a_loop_that_was_left_early_is_followed_by_the_next_epoch(make):
    loader, other = make(), make()
    for _ in loader:
        break
    other.set_epoch(1)
    for mine, its in zip(loader, other, strict=True):
        assert mine.index.equal(its.index)


def test_batches_stay_whole_while_the_loader_goes_on(make):
    kept = [(batch, [view.clone() for view in batch.views]) for _ in range(3) for batch in make()]
    assert all(
        torch.equal(a, b) for batch, copy in kept for a, b in zip(batch.views, copy, strict=True)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"saliency": None}, "saliency must be given for a policy that looks at it, got None"),
        ({"on_error": "ignore"}, "on_error must be one of 'quarantine', 'raise', got 'ignore'"),
        ({"batch_size": 1000}, "batch_size times world_size must be at most the 28 samples"),
    ],
)
def test_impossible_loaders_are_refused(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


@pytest.mark.parametrize(
    "look",
    [Appearance(mask="hard"), Appearance(mask="soft"), Appearance(jitter=1.0, contrast=(2.0, 3.0))],
)
def test_views_stay_within_the_normalised_range(make, look):
    for batch in make(ViewPolicy((ViewGroup(2, 48, appearances=(look,)),))):
        for view in batch.views:
            assert view.isfinite().all()
            assert -2.0 <= view.min() <= view.max() <= 2.0


def test_groups_of_two_sizes(make):
    policy = ViewPolicy.gca_dino(size=56)
    batch = next(iter(make(policy)))
    assert batch.groups == (slice(0, 2), slice(2, 10))
    assert [view.shape[-1] for view in batch.views] == [56] * 2 + [24] * 8
    assert list(batch.windows.shape) == [4, 10, 4]
    areas = batch.windows[..., 2:].prod(dim=-1) / 96**2
    assert (areas[:, batch.groups[0]] > 0.3).all() and (areas[:, batch.groups[1]] < 0.35).all()
    assert not batch.grown.any()
    # The local views share the attended point of their image.
    first, size = batch.windows[:, 2:, :2], batch.windows[:, 2:, 2:]
    point = batch.focus[:, None]
    assert ((first <= point) & (point <= first + size)).all()
    assert "2 views [4, 1, 56, 56] and 8 views [4, 1, 24, 24]" in repr(batch)
    moved = batch.to("cpu")
    assert moved.groups == batch.groups and moved.focus is not None


def test_without_focus_there_is_no_point(make):
    assert next(iter(make(ViewPolicy.gca_relative(**SMALL)))).focus.isnan().all()
    maps = np.zeros((28, 8, 8), np.float32)
    batch = next(iter(make(saliency=maps)))
    assert batch.focus.isnan().all() and (batch.retained == 1).all()
