"""Stores: what `prepare` writes, and that a loader gives the views of the originals from it."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.fuzz_seeds import make_dicom
from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.image.shrink import shrink, shrunk_size
from gca_dali.policy.group import ViewGroup
from gca_dali.policy.parts import Crop
from gca_dali.prepare.run import Share, StoreOptions, prepare_store
from gca_dali.prepare.verify import verify_store
from gca_dali.store.encoding import BITS

POLICY = ViewPolicy.gca(size=48)
# Least PSNR of a view from a store of half the size, in dB; the phantoms are smooth but noisy.
LEAST_PSNR_DB = {"jpeg": 30.0, "png16": 30.0, "raw8": 30.0, "raw16": 30.0}


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def by_index(manifest: Manifest, policy: ViewPolicy = POLICY, **options) -> dict[int, tuple]:
    options = {"saliency": "centre", "batch_size": 4, "device": "cpu", "drop_last": False} | options
    made = {}
    for batch in GCALoader(manifest, policy, **options):
        for b, index in enumerate(batch.index.tolist()):
            views = torch.stack([view[b, 0] for view in batch.views])
            made[index] = (views, batch.windows[b], batch.retained[b], batch.grown[b])
    return made


def least_psnr_db(first: dict, second: dict) -> float:
    errors = [((first[i][0] - second[i][0]) * POLICY.deviation).square() for i in first]
    return -10 * float(torch.stack([error.mean() for error in errors]).max().log10())


@pytest.fixture(scope="module")
def manifest(phantoms) -> Manifest:
    return Manifest.from_csv(phantoms / "labels.csv")


@pytest.fixture(scope="module")
def stores(manifest, phantoms, tmp_path_factory) -> dict[str, Path]:
    """A store of each encoding, 64 px, shards of 12."""
    folder = tmp_path_factory.mktemp("stores")
    for encoding in BITS:
        options = StoreOptions(64, encoding, samples_per_shard=12)
        done = prepare_store(
            manifest, folder / encoding, options, saliency=phantoms / "maps", told="simulated gaze"
        )
        assert done.about is not None and done.num_made == 28 and done.faults == ()
    return {encoding: folder / encoding for encoding in BITS}


@pytest.mark.parametrize("encoding", BITS)
def test_a_store_gives_the_windows_and_views_of_the_originals(manifest, phantoms, stores, encoding):
    assert verify_store(stores[encoding]) == []
    store = Manifest.open(stores[encoding])
    assert store.path.tolist() == manifest.path.tolist()
    assert store.height.tolist() == [96] * 28 and set(store.bits) == {BITS[encoding]}
    assert store.label.tolist() == manifest.label.tolist() and store.classes == manifest.classes
    originals = by_index(manifest, saliency=phantoms / "maps")
    stored = by_index(store, saliency="stored")
    assert originals.keys() == stored.keys() == set(range(28))
    for index in originals:
        for mine, other in zip(originals[index][1:], stored[index][1:], strict=True):
            assert torch.equal(mine, other)
    assert least_psnr_db(originals, stored) > LEAST_PSNR_DB[encoding]
    assert store.read(5).shape == (64, 64)


@pytest.mark.parametrize("encoding", ["jpeg", "raw8"])
def test_selected_rows_of_a_store_are_read_from_their_own_places(stores, encoding):
    store = Manifest.open(stores[encoding])
    rows = [25, 3, 14]
    some = store.take(rows)
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(some.read(place), store.read(row))
    assert some.fingerprint != store.fingerprint
    made = by_index(some, saliency="stored", batch_size=3)
    assert made.keys() == {0, 1, 2}
    with pytest.raises(ValueError, match="rows must be of files, got those of the store"):
        some.save(stores[encoding].parent / "some.parquet")


@pytest.mark.parametrize("encoding", BITS)
def test_plain_webdataset_reads_the_shards(stores, manifest, encoding):
    wds = pytest.importorskip("webdataset")
    store = Manifest.open(stores[encoding])
    ending = {"jpeg": "jpg", "png16": "png"}.get(encoding, "npy")
    shards = sorted(map(str, stores[encoding].glob("*.tar")))
    samples = list(wds.WebDataset(shards, shardshuffle=False))
    assert [int(sample["__key__"]) for sample in samples] == list(range(28))
    for row, sample in enumerate(samples):
        record = json.loads(sample["json"])
        assert record["path"] == manifest.path[row]
        assert (record["height"], record["width"]) == (96, 96)
        assert record["stored"] == {"height": 64, "width": 64, "encoding": encoding}
        assert record["intensity"] == {"voi": "none", "low": 0, "high": 255, "inverted": False}
        assert record["source"]["num_bytes"] == Path(manifest.files[row]).stat().st_size
        assert len(record["source"]["blake2b"]) == 40
        assert len(sample["saliency.npy"]) == 64 * 64 + 128
        assert store.places is not None
        start = int(store.places.offset[row])
        data = (stores[encoding] / f"shard-{row // 12:06d}.tar").read_bytes()
        assert data[start : start + len(sample[ending])] == sample[ending]


def test_a_store_is_the_same_from_any_number_of_processes_and_workers(manifest, tmp_path):
    options = StoreOptions(48, "raw8", samples_per_shard=5)
    for rank in (0, 1, 2):
        done = prepare_store(manifest, tmp_path / "three", options, share=Share(rank, 3, 1))
        assert (done.about is None) == (rank < 2)
    prepare_store(manifest, tmp_path / "one", options, share=Share(num_workers=2))
    assert tree(tmp_path / "one") == tree(tmp_path / "three")
    before = tree(tmp_path / "one")
    assert prepare_store(manifest, tmp_path / "one", options).num_made == 0
    # Shards that are missing or cut short are made again, to the same bytes.
    (tmp_path / "one" / "shard-000002.tar").unlink()
    (tmp_path / "one" / "shard-000003.tar").write_bytes(b"")
    (tmp_path / "one" / "shard-000004.json").write_text("{")
    assert prepare_store(manifest, tmp_path / "one", options).num_made == 15
    assert tree(tmp_path / "one") == before


def test_other_settings_or_another_folder_are_refused(manifest, stores, phantoms, tmp_path):
    copied = tmp_path / "copied"
    shutil.copytree(stores["jpeg"], copied)
    for options, name in (
        (StoreOptions(63, "jpeg", 12), "shorter_side 64"),
        (StoreOptions(64, "raw8", 12), "encoding 'jpeg'"),
        (StoreOptions(64, "jpeg", 13), "samples_per_shard 12"),
        (StoreOptions(64, "jpeg", 12), "maps"),
    ):
        with pytest.raises(ValueError, match=f"store must go on with {name}"):
            prepare_store(manifest, copied, options)
    with pytest.raises(ValueError, match="store must be a new or empty folder or a store, got"):
        prepare_store(manifest, phantoms)
    with pytest.raises(ValueError, match="manifest must be of files, got the store"):
        prepare_store(Manifest.open(copied), tmp_path / "again")
    wrong: dict[str, Any]
    for wrong in ({"shorter_side": 0}, {"encoding": "gif"}, {"samples_per_shard": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
            StoreOptions(**wrong)
    with pytest.raises(ValueError, match="rank must be below 2, got 2"):
        Share(2, 2)


def test_a_file_that_cannot_be_read_keeps_its_row_and_its_replacement(phantoms, tmp_path):
    shutil.copytree(phantoms, tmp_path / "data")
    rows = Manifest.from_csv(tmp_path / "data/labels.csv")
    data = bytearray(Path(rows.files[3]).read_bytes())
    data[200:] = np.random.default_rng(0).integers(0, 256, len(data) - 200, np.uint8).tobytes()
    Path(rows.files[3]).write_bytes(data)
    Path(rows.files[7]).unlink()
    done = prepare_store(rows, tmp_path / "store", StoreOptions(64, "raw16"))
    assert [item.path for item in done.faults] == [rows.path[3], rows.path[7]]
    assert "broken PNG" in done.faults[0].reason and "No such file" in done.faults[1].reason
    assert verify_store(tmp_path / "store") == []
    store = Manifest.open(tmp_path / "store")
    loaders = [
        GCALoader(m, ViewPolicy.random(size=32), device="cpu", batch_size=7) for m in (rows, store)
    ]
    seen = [[i for batch in loader for i in batch.index.tolist()] for loader in loaders]
    assert seen[0] == seen[1] and len(seen[0]) == 28 and not {3, 7} & set(seen[0])
    assert [path for path, _ in loaders[1].quarantine] == [rows.path[3], rows.path[7]]
    for file in rows.files:
        Path(file).unlink(missing_ok=True)
    with pytest.raises(ValueError, match="manifest must hold an image that can be read, got none"):
        prepare_store(rows, tmp_path / "nothing", StoreOptions(64, "raw16"))


def test_a_file_that_could_not_be_opened_is_tried_again(phantoms, tmp_path):
    """And what a finished store has lost of its own is written again."""
    shutil.copytree(phantoms, tmp_path / "data")
    rows = Manifest.from_csv(tmp_path / "data/labels.csv")
    away, file = tmp_path / "away", Path(rows.files[7])
    options = StoreOptions(64, "raw16", samples_per_shard=5)
    file.rename(away)
    assert len(prepare_store(rows, tmp_path / "store", options).faults) == 1
    away.rename(file)
    done = prepare_store(rows, tmp_path / "store", options)
    assert (done.num_made, done.faults) == (5, ())
    prepare_store(rows, tmp_path / "whole", options)
    assert tree(tmp_path / "store") == tree(tmp_path / "whole")
    (tmp_path / "store" / "index.parquet").unlink()
    assert prepare_store(rows, tmp_path / "store", options).num_made == 0
    assert tree(tmp_path / "store") == tree(tmp_path / "whole")


def test_sixteen_bits_stay_and_the_patient_does_not(tmp_path):
    pixels = np.arange(128 * 96, dtype=np.uint16).reshape(128, 96) % 4096
    (tmp_path / "in").mkdir()
    for name, kind in (("a", "MONOCHROME1"), ("b", "MONOCHROME2")):
        data = make_dicom(pixels, bits_stored=12, PhotometricInterpretation=kind)
        (tmp_path / "in" / f"{name}.dcm").write_bytes(data)
    rows = Manifest.from_folder(tmp_path / "in")
    for encoding in ("auto", "raw16", "jpeg"):
        prepare_store(rows, tmp_path / encoding, StoreOptions(512, encoding))
        store = Manifest.open(tmp_path / encoding)
        held = b"".join(tree(tmp_path / encoding).values())
        assert not any(secret in held for secret in (b"Doe", b"4711", b"20200102"))
        assert b'"voi":"full"' in held and b'"inverted":true' in held
        image = store.read(0)
        if encoding == "jpeg":
            assert image.dtype == np.uint8
            continue
        np.testing.assert_array_equal(image, rows.read(0))
        whole = Crop(size_by="zoom", size_range=(1.0, 1.0))
        policy = ViewPolicy((ViewGroup(2, 96, whole, flip=0.0),))
        views = by_index(store, policy, saliency=None, batch_size=2)
        assert all(len(views[i][0].unique()) > 256 for i in views)
        originals = by_index(rows, policy, saliency=None, batch_size=2)
        assert all(torch.equal(views[i][0], originals[i][0]) for i in views)


def test_images_are_shrunk_to_the_shorter_side_and_never_enlarged():
    assert shrunk_size(1000, 2000, 500) == (500, 1000)
    assert shrunk_size(2001, 1000, 500) == (1000, 500)
    assert shrunk_size(400, 3000, 512) == (400, 3000)
    grey = np.random.default_rng(0).integers(0, 256, (40, 30), np.uint8)
    np.testing.assert_array_equal(shrink(grey, 30)[0], grey.astype(int) * 257)
    flat, ends = shrink(np.full((40, 30), 777, np.uint16), 10, stretched=True)
    assert not flat.any() and ends == (777, 778)
    stripes = np.tile(np.array([0, 65535], np.uint16), (64, 64))
    small, _ = shrink(stripes, 16)
    assert np.abs(small[:, 2:-2].astype(int) - 32768).max() < 3000  # antialiased to mid-grey


def test_archives_hold_regular_files_without_owner_or_time(stores):
    with tarfile.open(stores["jpeg"] / "shard-000000.tar") as archive:
        for member in archive:
            assert member.isreg() and (member.mtime, member.uid, member.gid) == (0, 0, 0)
            assert member.uname == member.gname == ""
