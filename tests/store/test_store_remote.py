"""Stores in an object store: the same samples by byte ranges, through a cache of bounded size."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.prepare.run import StoreOptions, prepare_store
from gca_dali.store import remote
from gca_dali.store.cache import StoreCache
from gca_dali.store.remote import RemoteShards, StoreUnavailableError

POLICY = ViewPolicy.gca(size=32)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=["jpeg", "raw16"])
def both(request, phantoms, tmp_path_factory) -> tuple[str, str]:
    """The folder of a store, and its URL in memory."""
    folder = tmp_path_factory.mktemp("store") / "store"
    manifest = Manifest.from_csv(phantoms / "labels.csv").take(range(12))
    prepare_store(manifest, folder, StoreOptions(48, request.param, 5), saliency="centre")
    url = f"memory://bucket/{request.param}"
    files = fsspec.filesystem("memory")
    for path in folder.iterdir():
        files.pipe_file(f"/bucket/{request.param}/{path.name}", path.read_bytes())
    return str(folder), url


@pytest.fixture
def ranges(monkeypatch) -> list[tuple[str, int, int]]:
    """Every range that is read, by file."""
    asked = []
    files = fsspec.filesystem("memory")
    plain = type(files).cat_file

    def cat_file(self, path, start=None, end=None, **options):
        asked.append((path.rsplit("/", 1)[1], start, end))
        return plain(self, path, start=start, end=end, **options)

    monkeypatch.setattr(type(files), "cat_file", cat_file)
    return asked


def views(manifest: Manifest) -> dict[int, torch.Tensor]:
    loader = GCALoader(manifest, POLICY, saliency="stored", batch_size=4, device="cpu")
    return {
        index: torch.stack([view[b] for view in batch.views])
        for batch in loader
        for b, index in enumerate(batch.index.tolist())
    }


def test_the_same_views_come_from_a_url(both, ranges, tmp_path):
    folder, url = both
    cache = StoreCache(tmp_path / "cache")
    store = Manifest.open(url, cache=cache)
    assert store.places is not None
    made, expected = views(store), views(Manifest.open(folder))
    assert made.keys() == expected.keys() and len(made) == 12
    assert all(torch.equal(made[i], expected[i]) for i in made)
    samples = [item for item in ranges if item[0].endswith(".tar")]
    assert len(samples) == 12  # each sample once, and no more of a shard than it
    assert sum(end - start for _, start, end in samples) == store.places.length.sum()
    ranges.clear()
    again = views(Manifest.open(url, cache=cache))
    assert all(torch.equal(made[i], again[i]) for i in made)
    assert not [item for item in ranges if item[0].endswith(".tar")]


def test_the_cache_never_holds_more_than_it_may(both, tmp_path):
    folder, url = both
    places = Manifest.open(folder).places
    assert places is not None
    lengths = places.length
    cache = StoreCache(tmp_path, max_bytes=int(lengths[:5].sum()))
    store = Manifest.open(url, cache=cache)
    for _ in range(2):
        for row in range(12):
            np.testing.assert_array_equal(store.read(row), Manifest.open(folder).read(row))
    held = [path for path in tmp_path.iterdir() if path.name != "size"]
    assert 0 < sum(path.stat().st_size for path in held) <= cache.max_bytes
    assert not [path for path in held if path.name.startswith(".")]


def test_processes_and_threads_share_a_bound(tmp_path):
    program = (
        "import sys, zlib; from concurrent.futures import ThreadPoolExecutor as Threads; "
        "from pathlib import Path; from gca_dali.store.cache import StoreCache; "
        "cache = StoreCache(Path(sys.argv[1]), max_bytes=50_500); data = bytes(1000); "
        "put = lambda n: cache.put(f'{sys.argv[2]}-{n}', data, zlib.crc32(data)); "
        "list(Threads(4).map(put, range(40)))"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}"}
    children = [
        subprocess.Popen([sys.executable, "-c", program, tmp_path, str(n)], env=environment)
        for n in range(3)
    ]
    assert [child.wait() for child in children] == [0, 0, 0]
    data = bytes(1000)
    cache, checksum = StoreCache(tmp_path), zlib.crc32(data)
    held = [path for path in tmp_path.iterdir() if path.name != "size"]
    assert len(held) == 50
    assert all(cache.get(path.name, 1000, checksum) == data for path in held)


@pytest.mark.parametrize("content", [b"", b"4", bytes(20), b"junk", b"-1", b"9" * 19, b"\xb2" * 30])
def test_a_damaged_number_of_bytes_is_counted_again(tmp_path, content):
    data = bytes(1000)
    cache, checksum = StoreCache(tmp_path, max_bytes=5500), zlib.crc32(data)
    for number in range(3):
        cache.put(f"early-{number}", data, checksum)
    (tmp_path / "size").write_bytes(content)
    for number in range(9):
        cache.put(f"late-{number}", data, checksum)
    names = {f"early-{n}" for n in range(3)} | {f"late-{n}" for n in range(2)}
    assert {path.name for path in tmp_path.iterdir()} == {"size", *names}
    assert int((tmp_path / "size").read_bytes()[:20]) == 5000


def test_what_is_damaged_in_the_cache_is_read_again(both, tmp_path):
    _, url = both
    store = Manifest.open(url, cache=StoreCache(tmp_path))
    image = store.read(0)
    [kept] = [path for path in tmp_path.iterdir() if path.name != "size"]
    kept.write_bytes(b"x" * kept.stat().st_size)
    np.testing.assert_array_equal(store.read(0), image)
    assert StoreCache(tmp_path / "no" / "folder").get("a", 1, 1) is None
    (tmp_path / "file").write_text("")
    StoreCache(tmp_path / "file").put("a", b"1", zlib.crc32(b"1"))  # cannot be written: no error


def test_an_object_store_that_fails_stops_the_run_and_blames_no_sample(both, tmp_path, monkeypatch):
    _, url = both
    monkeypatch.setattr(remote, "_FIRST_WAIT_SECONDS", 0.001)
    store = Manifest.open(url, cache=StoreCache(tmp_path))
    assert store.places is not None
    plain, failures = RemoteShards(store.places.store).files.cat_file, []

    def fail(path, **options):
        failures.append(path)
        if len(failures) % 3:
            raise ConnectionError("no route")
        return plain(path, **options)

    monkeypatch.setattr(fsspec.filesystem("memory"), "cat_file", fail)
    assert store.read(1).shape == (48, 48)  # at the third attempt
    monkeypatch.setattr(fsspec.filesystem("memory"), "cat_file", lambda *_, **__: 1 / 0)
    loader = GCALoader(store, POLICY, saliency="centre", batch_size=4, device="cpu")
    with pytest.raises(StoreUnavailableError, match="the store must answer, got ZeroDivision"):
        list(loader)
    assert list(loader.quarantine) == []


def test_an_address_without_a_store_is_named():
    with pytest.raises(FileNotFoundError, match="source must be a store, got memory://bucket/no"):
        Manifest.open("memory://bucket/no")


def test_a_sample_that_several_runs_keep_counts_once_and_room_is_found_again(tmp_path):
    data = bytes(1000)
    cache, checksum = StoreCache(tmp_path, max_bytes=2500), zlib.crc32(data)
    for name in ("a", "a", "b", "a"):
        cache.put(name, data, checksum)
    assert int((tmp_path / "size").read_text()) == 2000
    cache.put("c", data, checksum)
    assert cache.get("c", 1000, checksum) is None
    (tmp_path / "a").unlink()
    long_ago = time.time() - 3600
    os.utime(tmp_path / "size", (long_ago, long_ago))
    cache.put("c", data, checksum)
    assert cache.get("c", 1000, checksum) == data
    assert int((tmp_path / "size").read_text()) == 2000


@pytest.mark.parametrize("wrong", [1, 9])
def test_a_server_without_byte_ranges_is_blamed_and_no_sample(wrong, monkeypatch, both, tmp_path):
    """It sends more than it was asked for: once, by a fault, or always."""
    monkeypatch.setattr(remote, "_FIRST_WAIT_SECONDS", 0.0)
    store = Manifest.open(both[1], cache=StoreCache(tmp_path))
    files = type(fsspec.filesystem("memory"))
    whole, num_asked = files.cat_file, []

    def send_too_much(self, path, start=None, end=None, **options):
        num_asked.append(path)
        data = whole(self, path, start=start, end=end, **options)
        return data + b"more" if len(num_asked) <= wrong else data

    monkeypatch.setattr(files, "cat_file", send_too_much)
    if wrong == 1:
        assert store.read(0).size
        return
    with pytest.raises(StoreUnavailableError, match=r"bytes for a range of \d+"):
        store.read(0)
