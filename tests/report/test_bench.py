"""`gca-dali bench`: the contract's keys, and loaders that make comparable views."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from gca_dali.data.manifest import Manifest
from gca_dali.prepare.run import StoreOptions, prepare_store
from gca_dali.report.bench import Throughput, measure
from gca_dali.report.rivals import RIVALS
from gca_dali.report.workload import Workload


def test_json_has_the_keys_of_the_contract(phantoms):
    options = (
        "--loaders gca gca_fn dali --batch-size 4 --size 32 --rounds 2 --seconds 0.1 --device cpu"
    )
    command = [sys.executable, "-m", "gca_dali.cli.main", "bench", str(phantoms / "images")]
    command += [*options.split(), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result) == {"decode_only", "loaders", "device", "workload"}
    assert list(result["loaders"]) == ["gca", "gca_fn", "dali"]
    for row in result["loaders"].values():
        assert row["images_per_second"] > 0 and row["ratio_to_decode_only"] > 0


@pytest.mark.parametrize("encoding", ["jpeg", "raw8", "png16", "raw16"])
def test_a_store_is_measured_as_files_are(phantoms, tmp_path, encoding):
    prepare_store(Manifest.from_csv(phantoms / "labels.csv"), tmp_path, StoreOptions(64, encoding))
    work = Workload(Manifest.open(tmp_path), batch_size=4, size=32)
    decode_only, loaders = measure(work, list(RIVALS), num_rounds=2, seconds=0.1)
    assert all(min(one.rates) > 0 for one in (decode_only, *loaders))


def test_ratios_are_taken_within_a_round():
    fast, slow = Throughput("a", (10.0, 20.0, 40.0)), Throughput("b", (5.0, 40.0, 20.0))
    assert fast.images_per_second == 20.0
    assert fast.ratios(slow) == [2.0, 0.5, 2.0]


def test_an_unknown_loader_is_refused(phantoms):
    work = Workload(Manifest.from_folder(phantoms / "images"), batch_size=4)
    with pytest.raises(
        ValueError, match="loaders must be one of 'gca', 'gca_fn', 'dali', 'torchvision', got"
    ):
        measure(work, ["webdataset"])


def test_rivals_make_views_of_the_same_kind(phantoms):
    """DALI's own views have the size and range of ours: the comparison is of equal work."""
    from nvidia.dali import Pipeline

    from gca_dali.report import rivals

    caught: list[Pipeline] = []
    work = Workload(Manifest.from_folder(phantoms / "images"), batch_size=8, size=40)
    original = rivals.run_forever
    try:
        rivals.run_forever = lambda pipeline: caught.append(pipeline) or iter(())
        rivals.dali(work)
    finally:
        rivals.run_forever = original
    [pipeline] = caught
    pipeline.build()
    views = [np.asarray(view.as_tensor()) for view in pipeline.run()]
    assert [view.shape for view in views] == [(8, 1, 40, 40)] * 2
    assert all(view.dtype == np.float32 for view in views)
    assert -2.0 < np.mean(views) < 2.0 and np.std(views[0]) > 0.1
    assert not np.array_equal(views[0], views[1])
