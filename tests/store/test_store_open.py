"""Stores that are unfinished, damaged or hostile: refused by name, and nothing outside is read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.voi import DicomOptions
from gca_dali.prepare.run import StoreOptions, prepare_store
from gca_dali.prepare.verify import verify_store
from gca_dali.steps.quarantine import UnreadableFileError
from gca_dali.store.encoding import check_sample, encode_pixels
from make_images import encode, encode_png, make_ramp


@pytest.fixture(scope="module")
def original(phantoms, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store") / "store"
    manifest = Manifest.from_csv(phantoms / "labels.csv").take(range(8))
    prepare_store(manifest, folder, StoreOptions(32, "jpeg", 3), saliency="centre")
    return folder


@pytest.fixture
def store(original, tmp_path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "store"))


def change_about(store: Path, change) -> None:
    content = json.loads((store / "store.json").read_text())
    change(content)
    (store / "store.json").write_text(json.dumps(content))


def change_index(store: Path, **columns) -> None:
    """Rewrite columns of the index, and the digest in `store.json`, as an attacker would."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(store / "index.parquet")
    for name, values in columns.items():
        values = pa.array(values)
        table = table.set_column(table.column_names.index(name), name, values)
    pq.write_table(table, store / "index.parquet")
    data = (store / "index.parquet").read_bytes()
    digest = hashlib.blake2b(data, digest_size=20).hexdigest()
    part = {"name": "index.parquet", "num_bytes": len(data), "blake2b": digest}
    change_about(store, lambda about: about.update(index=part))


def test_an_unfinished_store_says_how_to_finish_it(store):
    change_about(store, lambda about: about.update(index=None, maps=None, shards=[]))
    with pytest.raises(
        ValueError, match=r"must be a finished store.*Run the same gca-dali prepare"
    ):
        Manifest.open(store)


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about["shards"][0].update(name="../../etc/passwd"),
        lambda about: about["shards"][0].update(name="shard-000001.tar"),
        lambda about: about["shards"].pop(),
        lambda about: about["index"].update(name="/etc/passwd"),
        lambda about: about["maps"].update(name="other.npy"),
        lambda about: about.update(maps=None),
        lambda about: about.update(version=2),
        lambda about: about["settings"].update(encoding="pickle"),
        lambda about: about["settings"].update(num_samples=-1),
        lambda about: about["settings"].update(num_samples=1 << 60),
        lambda about: about["settings"].update(more=1),
        lambda about: about["index"].update(blake2b="x"),
        lambda about: about["shards"][0].update(num_bytes="1"),
        lambda about: about.pop("settings"),
    ],
)
def test_a_description_that_names_anything_else_is_refused(store, change):
    change_about(store, change)
    with pytest.raises(ValueError, match=r"store\.json must describe a store of version 1, got"):
        Manifest.open(store)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"format": 1}', "[" * 100_000])
def test_a_description_that_is_no_json_is_refused(store, text):
    (store / "store.json").write_text(text)
    with pytest.raises(ValueError, match="must describe a store"):
        Manifest.open(store)


@pytest.mark.parametrize(
    "name", ["store.json", "index.parquet", "shard-000001.tar", "saliency.npy"]
)
def test_links_are_refused(store, name, tmp_path):
    (store / name).rename(tmp_path / "elsewhere")
    (store / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"{name} must be a regular file, got a link"):
        Manifest.open(store)


def test_a_link_that_comes_later_is_set_aside(store, tmp_path):
    manifest = Manifest.open(store)
    (store / "shard-000001.tar").rename(tmp_path / "elsewhere")
    (store / "shard-000001.tar").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        manifest.read(3)
    loader = GCALoader(manifest, ViewPolicy.random(size=16), batch_size=4, device="cpu")
    assert {i for batch in loader for i in batch.index.tolist()} <= {0, 1, 2, 6, 7}
    assert [path for path, _ in loader.quarantine] == manifest.path[3:6].tolist()


def test_pipes_and_devices_do_not_block(store):
    (store / "shard-000000.tar").unlink()
    os.mkfifo(store / "shard-000000.tar")
    with pytest.raises(ValueError, match=r"shard-000000\.tar must be a regular file"):
        Manifest.open(store)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("shard-000000.tar", "must have"),
        ("saliency.npy", "must have"),
        ("index.parquet", "as it was"),
    ],
)
def test_files_cut_short_are_refused(store, name, what):
    data = (store / name).read_bytes()
    (store / name).write_bytes(data[:-1])
    with pytest.raises(ValueError, match=f"{name} must .*" if what == "must have" else what):
        Manifest.open(store)


def test_missing_files_are_named(store):
    with pytest.raises(ValueError, match="dicom must be left out for a store"):
        Manifest.open(store, dicom=DicomOptions())
    (store / "index.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"index\.parquet"):
        Manifest.open(store)


@pytest.mark.parametrize(
    "columns",
    [
        {"stored_offset": [-1] * 8},
        {"stored_offset": [1 << 62] * 8},
        {"stored_length": [0] * 8},
        {"stored_length": [1 << 40] * 8},
        {"stored_shard": [7] * 8},
        {"stored_shard": [-1] * 8},
        {"stored_height": [0] * 8},
        {"path": ["a\n"] + [f"{i}" for i in range(7)]},
        {"path": ["a"] * 8},
        {"height": [0] * 8},
        {"stored_offset": ["a"] * 8},
        {"stored_fault": [1] * 8},
    ],
)
def test_places_that_no_shard_has_are_refused(store, columns):
    change_index(store, **columns)
    with pytest.raises(ValueError):
        Manifest.open(store)


def test_a_sample_of_another_size_is_refused_before_it_is_decoded(store):
    change_index(store, stored_height=[31] * 8)
    manifest = Manifest.open(store)
    with pytest.raises(UnreadableImageError, match="32 x 32 with 8 bits instead of 31 x 32"):
        manifest.read(0)
    with pytest.raises(UnreadableFileError, match="none of the 8 images can be read"):
        next(iter(GCALoader(manifest, ViewPolicy.random(size=16), batch_size=2, device="cpu")))


def test_a_flipped_bit_is_set_aside_by_name(store):
    manifest = Manifest.open(store)
    assert manifest.places is not None
    place = int(manifest.places.offset[4]) + int(manifest.places.length[4]) // 2
    with open(store / "shard-000001.tar", "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))
    loader = GCALoader(manifest, ViewPolicy.random(size=16), batch_size=4, device="cpu")
    assert 4 not in {i for batch in loader for i in batch.index.tolist()}
    [(path, reason)] = list(loader.quarantine)
    assert path == manifest.path[4] and "wrong checksum" in reason
    faults = verify_store(store)
    assert any("shard-000001.tar: 000000004.jpg: a wrong checksum" in fault for fault in faults)
    assert any("shard-000001.tar: another checksum" in fault for fault in faults)


def test_verify_names_strangers_and_leftovers(store):
    assert verify_store(store) == []
    (store / "notes.txt").write_text("x")
    (store / ".partial-1").write_text("x")
    (store / "shard-000000.json").unlink()
    (store / "shard-000000.json").symlink_to("shard-000001.json")
    faults = verify_store(store)
    assert any("left behind" in fault for fault in faults)
    assert any("notes.txt" in fault and "no file of the store" in fault for fault in faults)
    assert any("shard-000000.json: no regular file" in fault for fault in faults)


def test_verify_finds_links_in_an_archive(store):
    import tarfile

    data = (store / "shard-000000.tar").read_bytes()
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            if member.name == "000000001.json":
                member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", 0
                new.addfile(member)
            else:
                new.addfile(member, old.extractfile(member))
    (store / "shard-000000.tar").write_bytes(out.getvalue()[: len(data)].ljust(len(data), b"\0"))
    assert any("members other than" in fault for fault in verify_store(store))


@pytest.mark.parametrize(
    ("data", "encoding", "reason"),
    [
        (encode_png([b"\0"], 60_000, 60_000, 16, 0), "png16", "over 200 megapixels"),
        (encode(make_ramp(), "JPEG"), "jpeg", "40 x 60 with 8 bits instead of 24 x 32"),
        (encode(make_ramp(), "PNG"), "jpeg", "a sample that is no jpeg"),
        (b"", "jpeg", "a sample that is no jpeg"),
        (b"\xff\xd8\xff", "jpeg", "ends inside its header"),
        (b"\x93NUMPY", "raw8", "no raw8 array of 24 x 32"),
        (encode_pixels(np.zeros((24, 32), np.uint16), "raw8")[:-1], "raw8", "no raw8 array"),
        (encode_pixels(np.zeros((24, 32), np.uint16), "raw8") + b"\0", "raw8", "no raw8 array"),
        (encode_pixels(np.zeros((24, 32), np.uint16), "raw8"), "raw16", "no raw16 array"),
    ],
)
def test_samples_are_what_the_index_says_or_refused(data, encoding, reason):
    with pytest.raises(ValueError, match=reason):
        check_sample(data, encoding, 24, 32)


def test_stored_maps_are_asked_for_where_they_are(store, phantoms):
    files = Manifest.from_csv(phantoms / "labels.csv")
    with pytest.raises(
        ValueError, match="saliency 'stored' must come with the manifest of a store"
    ):
        GCALoader(files, saliency="stored", batch_size=2)
    rows = Manifest.open(store)
    np.save(store / "saliency.npy", np.zeros((8, 64, 64), np.int8))
    with pytest.raises(ValueError, match="must hold uint8 maps of all rows, got another"):
        GCALoader(rows, saliency="stored", batch_size=2)
