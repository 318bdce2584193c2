"""A full disk: one line with the folder and what was needed; with room the same call goes on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gca_dali.cli.main import app
from gca_dali.common import disk, state
from gca_dali.common.disk import FullDiskError, explained_disk, is_full_disk, replace_file
from gca_dali.common.state import read_state, write_state
from gca_dali.data.manifest import Manifest
from gca_dali.gaze.map_cache import MapCache
from gca_dali.gaze.map_folder import MapFolder, write_maps
from gca_dali.prepare.run import StoreOptions, prepare_store
from gca_dali.store.cache import StoreCache
from small_disk import small_disk

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def one_line(error: pytest.ExceptionInfo) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_prepare_names_the_folder_and_what_is_left_and_goes_on(phantoms, tmp_path):
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    options = StoreOptions(64, "raw8", samples_per_shard=4)
    prepare_store(manifest, tmp_path / "whole", options)
    with small_disk(tmp_path / "disk", 120) as mounted:
        store = mounted.folder / "store"
        with pytest.raises(FullDiskError, match=r"store must have room for \d+ of \d+ shards") as e:
            prepare_store(manifest, store, options)
        assert "about" in one_line(e) and "same command goes on" in one_line(e)
        assert not list(store.glob(".partial*"))
        there = {path.name: path.stat().st_mtime_ns for path in store.glob("*.tar")}
        assert there
        mounted.grow(4000)
        assert prepare_store(manifest, store, options).about is not None
        for name, time in there.items():
            assert (store / name).stat().st_mtime_ns == time
        for path in (tmp_path / "whole").iterdir():
            assert (store / path.name).read_bytes() == path.read_bytes()


def test_prepare_says_so_on_the_command_line(phantoms, tmp_path):
    with small_disk(tmp_path / "disk", 60) as mounted:
        arguments = ["prepare", str(phantoms / "labels.csv"), str(mounted.folder / "s")]
        result = CliRunner().invoke(app, [*arguments, "--format", "raw8", "--size", "64"])
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "must have room for" in result.stderr and "MiB free" in result.stderr


def test_maps_of_a_folder(tmp_path):
    maps = [(f"{i}.png", np.ones((64, 64), np.float32)) for i in range(20)]
    paths = [path for path, _ in maps]
    with small_disk(tmp_path / "disk", 100) as mounted:
        with pytest.raises(FullDiskError, match=r"disk must have room for 20 maps \(\d are") as e:
            write_maps(mounted.folder, iter(maps), paths, simulated=True)
        assert "the same command then writes them all" in one_line(e)
        assert not list(mounted.folder.glob(".*")) and not list(mounted.folder.glob("index*"))
        mounted.grow(2000)
        write_maps(mounted.folder, iter(maps), paths, simulated=True)
        assert len(MapFolder.open(mounted.folder)) == 20


def test_the_table_of_predicted_maps(tmp_path):
    rows = np.arange(60)
    maps = np.random.default_rng(0).integers(0, 256, (60, 64, 64)).astype(np.uint8)
    with small_disk(tmp_path / "disk", 100) as mounted:
        cache = MapCache.open(mounted.folder / "table.npy", 60)
        with pytest.raises(FullDiskError, match=r"disk must have room for 60 maps, 0\.2 MiB") as e:
            cache.add(rows, maps, rows)
        assert "same command goes on" in one_line(e)
        num_there = int(cache.find(rows, rows).sum())
        assert 0 < num_there < 60
        mounted.grow(2000)
        cache.add(rows, maps, rows)
        np.testing.assert_array_equal(cache.maps, maps)
        (mounted.folder / "filler").write_bytes(bytes(1_500_000))
        with pytest.raises(OSError, match="No space"):
            (mounted.folder / "more").write_bytes(bytes(1_500_000))
        with pytest.raises(FullDiskError, match="must have room for 9 maps"):
            MapCache.open(mounted.folder / "deep/other.npy", 9)


def test_a_state_leaves_the_older_one_whole(tmp_path):
    with small_disk(tmp_path / "disk", 200) as mounted:
        path = mounted.folder / "last.safetensors"
        write_state(path, {"w": torch.ones(10)})
        with pytest.raises(FullDiskError, match=r"room for last\.safetensors, 0\.4 MiB") as e:
            write_state(path, {"w": torch.ones(100_000)}, "go on with --resume")
        assert one_line(e).endswith("Free some room; go on with --resume.")
        assert read_state(path)["w"].shape == (10,)
        assert [item.name for item in mounted.folder.iterdir()] == [path.name]


def test_a_saved_manifest(phantoms, tmp_path):
    manifest = Manifest.from_csv(phantoms / "labels.csv")
    with small_disk(tmp_path / "disk", 16) as mounted:
        filler = mounted.folder / "filler"
        filler.write_bytes(bytes(16 << 10))
        with pytest.raises(FullDiskError, match=rf"{mounted.folder} must have room for m\.parquet"):
            manifest.save(mounted.folder / "m.parquet")
        assert list(mounted.folder.iterdir()) == [filler]


def test_what_no_command_foresees_is_one_line_too(phantoms, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/home/me/x")

    monkeypatch.setattr(Manifest, "open", fail)
    result = CliRunner().invoke(app, ["index", str(phantoms)])
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "/home/me/x must have room, got [Errno 122]" in result.stderr
    assert "same command goes on" in result.stderr


def test_the_error_is_known_in_every_form():
    """Played, not filled: the words of safetensors, a quota, and an error behind another."""
    assert is_full_disk(FULL) and is_full_disk(OSError(errno.EDQUOT, "x"))
    assert is_full_disk(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert not is_full_disk(OSError(errno.EACCES, "x")) and not is_full_disk(None)
    wrapped = ValueError("x")
    wrapped.__cause__ = FULL
    assert is_full_disk(wrapped)
    with (
        pytest.raises(FullDiskError, match="/nowhere/at/all must have room for 3 maps, got a full"),
        explained_disk("/nowhere/at/all", lambda: "3 maps"),
    ):
        raise FULL
    with pytest.raises(KeyError), explained_disk("/", "x"):
        raise KeyError


@pytest.mark.parametrize("module", [state, disk])
def test_a_write_that_is_refused_leaves_nothing(module, tmp_path, monkeypatch):
    """Played at the call that writes, for machines where no disk can be mounted."""
    path = tmp_path / "a.safetensors"
    if module is state:
        monkeypatch.setattr(state, "save_file", lambda *_, **__: (_ for _ in ()).throw(FULL))
        with pytest.raises(FullDiskError):
            write_state(path, {"w": torch.ones(3)})
    else:
        with pytest.raises(OSError, match="No space"), replace_file(path) as partial:
            partial.write_bytes(b"half")
            raise FULL
    assert not list(tmp_path.iterdir())


def test_a_cache_of_samples_that_keeps_nothing_says_so_once(tmp_path, caplog):
    (tmp_path / "file").touch()
    cache = StoreCache(tmp_path / "file" / "folder")
    for name in "ab":
        cache.put(name, b"x", 2363233923)
    assert caplog.text.count("read from the store again in each epoch") == 1
    assert "GCA_DALI_CACHE" in caplog.text and Path(cache.folder).name in caplog.text
