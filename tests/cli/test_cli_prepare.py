"""gca-dali prepare: a store from the command line, resumed, verified, shared out by torchrun."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from benchmarks.fuzz_seeds import make_dicom
from gca_dali.cli.main import app
from gca_dali.data.manifest import Manifest
from make_images import encode, make_ramp


@pytest.fixture(scope="module")
def xrays(tmp_path_factory):
    root = tmp_path_factory.mktemp("xrays")
    for number in range(5):
        (root / f"{number}.jpg").write_bytes(encode(make_ramp(), "JPEG"))
    (root / "deep.dcm").write_bytes(
        make_dicom(make_ramp(16), WindowCenter=[20000, 300], WindowWidth=[40000, 100])
    )
    return root


def call(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["prepare", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_json_resume_and_verify(xrays, tmp_path):
    store = tmp_path / "store"
    options = (xrays, store, "--size", 32, "--samples-per-shard", 4, "--saliency", "centre")
    code, out, _ = call(*options, "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["samples"], found["made"], found["finished"]) == (6, 6, True)
    assert found["encoding"] == "png16" and found["faults"] == [] and found["num_bytes"] > 1000
    code, out, _ = call(*options, "--verify")
    assert code == 0
    assert "0 of 6 images made" in out and "as it was written" in " ".join(out.split())
    code, out, _ = call(store, "--verify", "--json")
    assert code == 0 and json.loads(out)["verified"] is True
    places = Manifest.open(store).places
    assert places is not None and places.store.maps_told == "centre prior"
    (store / ".partial-1-shard-000001.tar").write_bytes(b"half")
    code, _, error = call(store, "--verify")
    assert code == 1
    assert "got 1 that killed processes left in" in error and "Remove them." in error
    assert call(*options, "--verify")[0] == 0
    assert not list(store.glob(".partial-*"))
    with open(store / "shard-000001.tar", "r+b") as file:
        file.seek(600)
        file.write(b"broken")
    code, _, error = call(store, "--verify")
    assert code == 1
    assert "store must be as it was written, got" in error and "shard-000001.tar" in error
    code, _, error = call(*options, "--format", "jpeg")
    assert code == 1 and "store must go on with encoding 'png16'" in error


def test_contrast_is_an_option(xrays, tmp_path):
    for voi in ("auto", "window:1"):
        code, _, _ = call(xrays, tmp_path / voi, "--where", "format=dicom", "--voi", voi)
        assert code == 0
    wide, narrow = (Manifest.open(tmp_path / voi).read(0) for voi in ("auto", "window:1"))
    assert (narrow == 65535).mean() > 0.9 > (wide == 65535).mean()
    code, _, error = call(xrays, tmp_path / "no", "--voi", "bone")
    assert code == 1 and "voi must be one of" in error


def test_ranks_of_torchrun_share_the_shards(xrays, tmp_path, monkeypatch):
    found = []
    for rank in ("0", "1"):
        names = {"TORCHELASTIC_RUN_ID": "x", "RANK": rank, "WORLD_SIZE": "2"}
        for name, value in (names | {"LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": "2"}).items():
            monkeypatch.setenv(name, value)
        _, out, _ = call(xrays, tmp_path / "store", "--samples-per-shard", 2, "--json")
        found.append(json.loads(out))
    assert [item["made"] for item in found] == [4, 2]
    assert [item["finished"] for item in found] == [False, True]


def test_bad_usage(xrays, tmp_path):
    code, _, error = call(xrays)
    assert code == 2 and "STORE must be named" in " ".join(error.split())
    code, _, error = call(xrays, "--verify")
    assert code == 1 and "store.json" in error
    code, _, _ = call(xrays, tmp_path / "store", "--format", "gif")
    assert code == 2
