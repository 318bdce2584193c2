"""A loader with a predictor: each map is predicted once, ahead or on the fly, and never stale."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gca_dali import GazePredictor, GCALoader, Manifest, ViewPolicy
from gca_dali.data.fetch import PathFetcher
from gca_dali.gaze.boxes import read_boxes_csv
from gca_dali.gaze.facts import PredictorFacts
from gca_dali.gaze.network import GazeNetwork, NetworkConfig
from gca_dali.gaze.predicted import PredictedTable, table_path
from gca_dali.image.claims import UnreadableImageError
from gca_dali.prepare.fill import fill_table, open_filled
from gca_dali.prepare.run import StoreOptions, prepare_store
from gca_dali.report.audit import audit_policies
from gca_dali.report.preview.make import PreviewMaker
from gca_dali.steps.saliency import find_predictor, load_saliency
from odd_images import jpeg

TINY = NetworkConfig(decoder_channels=(32, 24, 16), input_px=64, map_px=16)
POLICY = ViewPolicy.gca(size=32)


class CountingPredictor(GazePredictor):
    """Keeps how many images each call was given."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.calls: list[int] = []

    def make_maps(self, images: Sequence[Any]) -> np.ndarray:
        self.calls.append(len(images))
        return super().make_maps(images)


def make_predictor(seed: int = 0) -> CountingPredictor:
    torch.manual_seed(seed)
    facts = PredictorFacts(simulated=True, num_maps=3)
    mean_map = np.full((16, 16), 1 / 256, np.float32)
    return CountingPredictor(GazeNetwork(TINY), mean_map, facts, "cpu")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GCA_DALI_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def manifest(phantoms) -> Manifest:
    return Manifest.from_csv(phantoms / "labels.csv")


@pytest.fixture
def copied(phantoms, tmp_path) -> Manifest:
    shutil.copytree(phantoms, tmp_path / "data")
    return Manifest.from_csv(tmp_path / "data/labels.csv")


def make_loader(manifest: Manifest, predictor: Any, **options: Any) -> GCALoader:
    options = {"batch_size": 5, "device": "cpu", "drop_last": False, "num_threads": 1} | options
    return GCALoader(manifest, POLICY, predictor, **options)


def views_of(loader: GCALoader) -> dict[int, tuple[torch.Tensor, ...]]:
    """Return views and windows of one epoch by sample."""
    return {
        index: (*(view[b] for view in batch.views), batch.windows[b], batch.retained[b])
        for batch in loader
        for b, index in enumerate(batch.index.tolist())
    }


def assert_equal(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    for key, parts in first.items():
        assert all(map(torch.equal, parts, second[key])), key


def test_the_first_epoch_predicts_each_map_once_and_no_later_one_calls_the_model(manifest):
    predictor = make_predictor()
    loader = make_loader(manifest, predictor)
    first = views_of(loader)
    assert predictor.calls == [5, 5, 5, 5, 5, 3] and len(first) == 28
    views_of(loader)
    assert len(predictor.calls) == 6
    table = loader.table
    assert isinstance(table, PredictedTable)
    assert (table.num_calls, table.num_predicted) == (6, 28)
    again = make_loader(manifest, predictor)
    assert_equal(views_of(again), first)
    assert len(predictor.calls) == 6, "the table outlives the loader"


def test_maps_and_views_are_the_same_filled_ahead_or_on_the_fly(manifest, monkeypatch, tmp_path):
    on_the_fly = make_loader(manifest, make_predictor())
    flown = views_of(on_the_fly)
    monkeypatch.setenv("GCA_DALI_CACHE", str(tmp_path / "other"))
    filled = fill_table(make_predictor(), manifest, batch_size=7)
    assert filled.num_predicted == 28 and filled.refused == ()
    np.testing.assert_array_equal(filled.table.maps, on_the_fly.table.maps)
    assert len({saliency.tobytes() for saliency in filled.table.maps}) > 20
    loader = make_loader(manifest, make_predictor(), batch_size=8)
    assert_equal(views_of(loader), flown)
    assert isinstance(loader.table, PredictedTable) and loader.table.num_calls == 0


def test_filling_goes_on_where_it_was_left(manifest):
    predictor = make_predictor()
    table = PredictedTable.open(predictor, manifest)
    whole = fill_table(make_predictor(1), manifest)
    assert whole.num_predicted == 28
    images = [manifest.read(row) for row in range(10)]
    table.take(np.arange(10), images)
    assert fill_table(predictor, manifest, batch_size=4).num_predicted == 18
    assert fill_table(predictor, manifest).num_predicted == 0
    assert predictor.calls == [10, 4, 4, 4, 4, 2]


def test_a_sample_twice_in_a_batch_is_predicted_once(manifest):
    predictor = make_predictor()
    table = PredictedTable.open(predictor, manifest, keep=False)
    index = np.array([4, 2, 4])
    maps = table.take(index, [manifest.read(row) for row in index])
    assert predictor.calls == [2]
    np.testing.assert_array_equal(maps[0], maps[2])
    np.testing.assert_array_equal(maps[1:2], predictor.make_maps([manifest.read(2)]))


def test_deep_images_get_their_maps(deep_phantoms):
    manifest = Manifest.from_csv(deep_phantoms / "labels.csv")
    loader = make_loader(manifest, make_predictor(), batch_size=2)
    views_of(loader)
    images = [manifest.read(row) for row in range(len(manifest))]
    assert images[0].dtype == np.uint16
    np.testing.assert_array_equal(loader.table.maps, make_predictor().make_maps(images))


def test_other_predictors_and_other_rows_have_tables_of_their_own(manifest):
    predictor, other = make_predictor(0), make_predictor(1)
    some = manifest.take(np.arange(6))
    paths = {table_path(p, m) for p in (predictor, other) for m in (manifest, some)}
    assert len(paths) == 4
    fill_table(predictor, some)
    assert len(PredictedTable.open(predictor, some).missing(np.arange(6))) == 0
    assert len(PredictedTable.open(other, some).missing(np.arange(6))) == 6
    assert len(PredictedTable.open(predictor, manifest).missing(np.arange(28))) == 28


def test_a_store_has_a_table_of_its_own_and_so_has_each_other_store(manifest, tmp_path):
    some, predictor = manifest.take(np.arange(6)), make_predictor()
    for size in (32, 48):
        prepare_store(some, tmp_path / f"store{size}", StoreOptions(size))
    stores = [Manifest.open(tmp_path / f"store{size}") for size in (32, 48)]
    assert len({table_path(predictor, one) for one in (some, *stores)}) == 3
    images = [stores[0].read(row) for row in range(6)]
    filled = fill_table(predictor, stores[0])
    np.testing.assert_array_equal(filled.table.maps, predictor.make_maps(images))
    assert fill_table(predictor, stores[0]).num_predicted == 0


def test_an_image_that_has_changed_in_place_is_predicted_again(copied):
    predictor = make_predictor()
    fill_table(predictor, copied)
    file = Path(copied.files[3])
    stat = file.stat()
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    table = PredictedTable.open(predictor, copied)
    assert table.missing(np.arange(28)).tolist() == [3]
    assert fill_table(predictor, copied).num_predicted == 1
    assert len(table.missing(np.arange(28))) == 0


def test_an_image_that_cannot_be_read_has_no_map_and_is_named(copied, phantoms, caplog):
    data = bytearray(Path(copied.files[3]).read_bytes())
    data[200:] = bytes(len(data) - 200)
    Path(copied.files[3]).write_bytes(data)
    predictor = make_predictor()
    with caplog.at_level(logging.WARNING, "gca_dali"):
        filled = fill_table(predictor, copied)
    assert [item.path for item in filled.refused] == [copied.path[3]]
    assert filled.num_predicted == 27
    assert filled.table.missing(np.arange(28)).tolist() == [3]
    with pytest.raises(ValueError, match=f"must be readable to predict .* {copied.path[3]}"):
        open_filled(predictor, copied)


def test_a_bad_file_does_not_make_the_others_be_decoded_again(copied, monkeypatch):
    Path(copied.files[0]).write_bytes(b"\x89PNG\r\n\x1a\n")
    predictor = make_predictor()
    assert fill_table(predictor, copied, batch_size=4).num_predicted == 27
    asked = []
    plain = PathFetcher.check
    monkeypatch.setattr(
        PathFetcher, "check", lambda self, index: (asked.append(index), plain(self, index))[1]
    )
    for path in (3, 5):
        os.utime(copied.files[path], ns=(1, 1))
    filled = fill_table(predictor, copied, batch_size=4)
    assert filled.num_predicted == 2 and [item.path for item in filled.refused] == [copied.path[0]]
    assert {0, 3, 5} <= set(asked) and len(set(asked)) <= 4  # one takes the place of the bad one


@pytest.fixture
def refused_by_dali(copied) -> tuple[Manifest, int]:
    """Rows of which one is a JPEG that workers read; a stale index gives it to DALI."""
    data = jpeg()
    place = data.index(b"\xff\xdb")
    Path(copied.files[3]).write_bytes(data[:place] + b"stray" + data[place:])
    Path(copied.files[4]).write_bytes(data)
    rows = Manifest.from_folder(copied.root).take(range(8))
    [row] = np.flatnonzero(rows.format == "jpeg-rare")
    formats = np.where(rows.format == "jpeg-rare", "jpeg", rows.format)
    return replace(rows, format=formats), int(row)


def test_a_store_has_a_map_of_what_workers_read_and_dali_refuses(refused_by_dali, tmp_path):
    rows, row = refused_by_dali
    predictor = make_predictor()
    assert [item.path for item in fill_table(predictor, rows).refused] == [rows.path[row]]
    made = prepare_store(rows, tmp_path / "store", StoreOptions(32), saliency=predictor)
    assert made.faults == ()
    maps = load_saliency("stored", Manifest.open(tmp_path / "store")).maps
    np.testing.assert_array_equal(maps[row], predictor.make_maps([rows.read(row)])[0])
    assert (maps.max((1, 2)) == 255).all()


def test_an_image_without_a_map_is_a_fault_of_the_store(refused_by_dali, tmp_path, monkeypatch):
    rows, row = refused_by_dali

    def refuse(self, row):
        raise UnreadableImageError(self.files[row], "a fault that passes")

    monkeypatch.setattr(Manifest, "read", refuse)
    options = StoreOptions(32)
    made = prepare_store(rows, tmp_path / "store", options, saliency=make_predictor())
    reason = "no map could be predicted: a fault that passes"
    assert [(item.path, item.reason) for item in made.faults] == [(rows.path[row], reason)]


def test_a_map_without_its_image_is_refused(manifest):
    table = load_saliency(make_predictor(), manifest)
    with pytest.raises(ValueError, match=r"must be predicted before they are taken .* Fill the"):
        table.take(np.array([2, 5]))


def test_audit_and_preview_take_a_predictor(manifest, phantoms, tmp_path, monkeypatch):
    monkeypatch.setattr("gca_dali.report.audit.NUM_DRAWS", 200)
    predictor = make_predictor()
    boxes = read_boxes_csv(phantoms / "boxes.csv", manifest)
    policies = {"gca": POLICY}
    predicted = audit_policies(manifest, boxes, predictor, policies)
    maps = fill_table(predictor, manifest).table.maps
    assert predicted == audit_policies(manifest, boxes, np.array(maps), policies)
    made = PreviewMaker(manifest, POLICY, predictor, boxes).make(2, "title", "subtitle")
    rows = [manifest.path.tolist().index(sample.path) for sample in made.samples]
    np.testing.assert_array_equal([sample.saliency for sample in made.samples], maps[rows])
    assert len(list((tmp_path / "cache/saliency").iterdir())) == 2, "previews keep no table"


def test_a_source_names_a_predictor(tmp_path, manifest):
    predictor = make_predictor()
    predictor.save(tmp_path / "p.safetensors")
    for source in (predictor, tmp_path / "p.safetensors", str(tmp_path / "p.safetensors")):
        found = find_predictor(source)
        assert found is not None and found.fingerprint == predictor.fingerprint
    bundled = find_predictor("knee")
    assert bundled is not None and bundled.facts.simulated
    for other in (None, "centre", tmp_path, Path("knee"), np.ones(3), lambda path: path):
        assert find_predictor(other) is None
    with pytest.raises(FileNotFoundError, match="must be a file or one of knee, got none"):
        load_saliency("none.safetensors", manifest)
    table = load_saliency(predictor, manifest)
    assert load_saliency(table, manifest) is table
