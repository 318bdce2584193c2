"""Where no folder for predicted maps can be written they stay in memory, and one line says so."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from typer.testing import CliRunner

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.cli.main import app
from gca_dali.common.disk import FullDiskError
from gca_dali.gaze import predicted
from gca_dali.gaze.map_cache import MapCache
from gca_dali.gaze.predicted import PredictedTable
from small_disk import small_disk


class StrawPredictor:
    fingerprint = "straw"

    def make_maps(self, images) -> np.ndarray:
        return np.ones((len(images), 64, 64), np.uint8)


@pytest.fixture
def manifest(phantoms) -> Manifest:
    return Manifest.from_csv(phantoms / "labels.csv")


@pytest.fixture
def closed(tmp_path, monkeypatch) -> None:
    """Play a cache that cannot be written: a file lies where its folder would be."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("GCA_DALI_CACHE", str(tmp_path / "file"))
    predicted._tell.cache_clear()


def epoch(manifest: Manifest, table: PredictedTable) -> int:
    policy = ViewPolicy.gca(size=8)
    loader = GCALoader(manifest, policy, table, batch_size=4, device="cpu", drop_last=False)
    return sum(len(batch) for batch in loader)


@pytest.mark.usefixtures("closed")
def test_a_loader_runs_and_the_log_says_it_once(manifest, caplog):
    table = PredictedTable.open(StrawPredictor(), manifest)
    assert epoch(manifest, table) == len(manifest) == table.num_predicted
    assert not len(table.missing(np.arange(len(manifest))))
    PredictedTable.open(StrawPredictor(), manifest)
    (told,) = [line for line in caplog.messages if "kept in memory" in line]
    assert "GCA_DALI_CACHE" in told and "\n" not in told


def test_a_read_only_disk(manifest, tmp_path, monkeypatch, caplog):
    predicted._tell.cache_clear()
    with small_disk(tmp_path / "disk", 1000) as mounted:
        mounted.close_for_writing()
        monkeypatch.setenv("GCA_DALI_CACHE", str(mounted.folder))
        assert epoch(manifest, PredictedTable.open(StrawPredictor(), manifest)) == len(manifest)
    assert "Read-only file system" in caplog.text


@pytest.mark.usefixtures("closed")
def test_what_is_predicted_ahead_must_be_kept(phantoms):
    result = CliRunner().invoke(app, ["gaze", "predict", "knee", str(phantoms / "labels.csv")])
    assert result.exit_code == 1 and "Set GCA_DALI_CACHE to another folder" in result.stderr


def test_a_full_disk_stops_the_loader_and_sets_no_file_aside(manifest, tmp_path, monkeypatch):
    with small_disk(tmp_path / "disk", 60) as mounted:
        monkeypatch.setenv("GCA_DALI_CACHE", str(mounted.folder))
        table = PredictedTable.open(StrawPredictor(), manifest)
        policy = ViewPolicy.gca(size=8)
        loader = GCALoader(manifest, policy, table, batch_size=4, device="cpu")
        with pytest.raises(FullDiskError, match=r"saliency must have room for \d+ maps"):
            list(loader)
        assert not loader.quarantine.reasons
        mounted.grow(2000)
        assert sum(len(batch) for batch in loader) == len(manifest) // 4 * 4


def test_a_fault_of_the_machine_is_not_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("gca_dali.gaze.map_cache.os.open", fail)
    with pytest.raises(OSError, match="Too many open files"):
        MapCache.open(tmp_path / "a.npy", 3)
