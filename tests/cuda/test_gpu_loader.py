"""The loader on a GPU against the loader on the CPU; skipped without a GPU.

Phantoms are PNG files, which both decode to the bit: windows must be equal, pixels within the
tolerance of the kernels.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gca_dali import GCALoader, Manifest, ViewBatch, ViewPolicy
from gpu_loaders import GCA, LOADERS, TOO_LARGE

pytestmark = pytest.mark.gpu

# Of views normalised by 0.25: the CPU shrinks large images by halves first, these are small.
TOLERANCE = {"float32": 2.0**-12, "float16": 2.0**-8, "bfloat16": 2.0**-5}


@pytest.fixture
def make(phantoms):
    manifest = Manifest.from_csv(phantoms / "labels.csv")

    def build(device: str, policy: ViewPolicy = GCA, **options) -> GCALoader:
        options = {"batch_size": 4, "saliency": phantoms / "maps"} | options
        return GCALoader(manifest, policy, device=device, **options)

    return build


def assert_same(found: ViewBatch, expected: ViewBatch, dtype: str = "float32") -> None:
    for name in ("index", "label", "windows", "retained", "grown"):
        mine = getattr(found, name)
        assert mine.device.type == "cuda"
        assert torch.equal(mine.cpu(), getattr(expected, name).cpu()), name
    for view, other in zip(found.views, expected.views, strict=True):
        assert view.device.type == "cuda" and view.dtype == other.dtype
        torch.testing.assert_close(view.cpu(), other.cpu(), rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize(("policy", "options"), LOADERS.values(), ids=LOADERS)
def test_same_batches_as_the_cpu(make, policy, options):
    for _ in range(2):
        pairs = zip(make("cuda", policy, **options), make("cpu", policy, **options), strict=True)
        for found, expected in pairs:
            assert_same(found, expected, policy.dtype)


def test_deep_images(deep_phantoms):
    manifest = Manifest.from_csv(deep_phantoms / "labels.csv")
    options = {"batch_size": 2, "saliency": "centre"}
    for resident in (False, True):
        found = GCALoader(manifest, GCA, device="cuda", resident=resident, **options)
        for mine, other in zip(
            found, GCALoader(manifest, GCA, device="cpu", **options), strict=True
        ):
            assert_same(mine, other)


@pytest.mark.parametrize("resident", [False, True])
def test_deep_images_among_others(phantoms, deep_phantoms, tmp_path, resident):
    for number, folder in enumerate((phantoms, deep_phantoms)):
        for file in sorted((folder / "images").iterdir())[:4]:
            (tmp_path / f"{number}_{file.name}").write_bytes(file.read_bytes())
    manifest = Manifest.from_folder(tmp_path)
    assert sorted(set(manifest.bits.tolist())) == [8, 16]
    options = {"batch_size": 2, "saliency": "centre"}
    found = GCALoader(manifest, GCA, device="cuda", resident=resident, **options)
    for mine, other in zip(found, GCALoader(manifest, GCA, device="cpu", **options), strict=True):
        assert_same(mine, other)


@pytest.mark.parametrize("resident", [False, True])
def test_a_consumer_on_a_side_stream(make, resident):
    """Batches taken behind slow work on another stream are the same; so are those kept."""
    expected = list(make("cpu"))
    stream, kept = torch.cuda.Stream(), []
    with torch.cuda.stream(stream):
        for batch in make("cuda", resident=resident):
            torch.cuda._sleep(50_000_000)
            kept.append(batch)
    stream.synchronize()
    for mine, other in zip(kept, expected, strict=True):
        assert_same(mine, other)


def test_streams_that_take_turns(make):
    """The table is filled on one stream and read on another."""
    streams = [torch.cuda.Stream(), torch.cuda.Stream()]
    loader, expected = make("cuda"), list(make("cpu"))
    iterator = iter(loader)
    for number, other in enumerate(expected):
        with torch.cuda.stream(streams[number % 2]):
            torch.cuda._sleep(20_000_000)
            batch = next(iterator)
        streams[number % 2].synchronize()
        assert_same(batch, other)


def test_early_exit_and_resume(make):
    expected = list(make("cpu"))
    first = make("cuda")
    for _, batch in zip(range(2), first, strict=False):
        assert len(batch) == 4
    second = make("cuda")
    second.load_state_dict(first.state_dict())
    for mine, other in zip(second, expected[2:], strict=True):
        assert_same(mine, other)


def test_a_broken_file_is_set_aside(phantoms, tmp_path):
    source = Manifest.from_csv(phantoms / "labels.csv")
    for file in source.files[:8]:
        (tmp_path / Path(file).name).write_bytes(Path(file).read_bytes())
    manifest = Manifest.from_folder(tmp_path)
    broken = tmp_path / str(manifest.path[2])
    broken.write_bytes(broken.read_bytes()[:200] + bytes(int(manifest.num_bytes[2]) - 200))
    loader = GCALoader(manifest, GCA, saliency="centre", batch_size=4, device="cuda")
    seen = [index for batch in loader for index in batch.index.tolist()]
    assert 2 not in seen and len(seen) == 8
    assert list(loader.quarantine.reasons) == [2]


def test_memory_does_not_grow(make):
    loader = make("cuda", resident=True)
    list(loader)
    before = torch.cuda.memory_allocated()
    for _ in range(3):
        list(loader)
    assert torch.cuda.memory_allocated() == before


def test_too_little_memory(make, monkeypatch):
    """Room for the images, not for the views."""
    policy, options = TOO_LARGE
    loader = make("cuda", policy, **options)
    torch.cuda.empty_cache()
    share = 2**28 / torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        with pytest.raises(RuntimeError, match=r"GPU memory must hold the batch, .* Lower"):
            next(iter(loader))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_wrong_index(make):
    with pytest.raises(
        RuntimeError, match=r"device must be one of cuda:0 to cuda:\d+, got cuda:99"
    ):
        make("cuda:99")


def test_auto_takes_the_gpu(make):
    assert make("auto").device == f"cuda:{torch.cuda.current_device()}"


def test_windows_are_equal_over_many_keys():
    """A part of what benchmarks/device/windows.py compares."""
    from benchmarks.device.windows import count_differences

    assert count_differences(num_keys=10_000) == 0
