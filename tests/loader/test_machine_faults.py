"""Faults of the machine set no file aside: they are waited out, or stop the run with one line."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fuzz_seeds import make_dicom
from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.common import machine
from gca_dali.common.machine import MachineFaultError
from gca_dali.data import fetch, index
from gca_dali.gaze import predicted
from gca_dali.steps import decode

POLICY = ViewPolicy.random(size=16)
FAULTS = {
    name: OSError(getattr(errno, name), os.strerror(getattr(errno, name)))
    for name in ("EMFILE", "ENFILE", "ENOMEM", "ESTALE", "EIO", "ETIMEDOUT", "ENOSPC")
} | {"memory": MemoryError()}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(machine, "PAUSES_SECONDS", (0.01, 0.02, 0.05, 0.1))


@pytest.fixture
def copied(phantoms, tmp_path) -> Manifest:
    """Twelve files that DALI opens by itself."""
    shutil.copytree(phantoms, tmp_path / "data")
    return Manifest.from_csv(tmp_path / "data/labels.csv").take(np.arange(12))


@pytest.fixture
def mixed(copied, tmp_path) -> Manifest:
    """Files that threads open, some of which are decoded by workers."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for file in copied.files[:8]:
        shutil.copy(file, folder)
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 4096, (20, 30)).astype(np.uint16)
        (folder / f"{number}.dcm").write_bytes(make_dicom(pixels))
    return Manifest.from_folder(folder)


def make(manifest: Manifest, **options) -> GCALoader:
    return GCALoader(manifest, POLICY, batch_size=4, device="cpu", num_threads=2, **options)


def seen(loader: GCALoader) -> list[int]:
    return sorted(index for batch in loader for index in batch.index.tolist())


@contextmanager
def no_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    num_open = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (num_open + 2, limits[1]))
    held = []
    try:
        while True:
            held.append(open("/dev/null"))  # noqa: SIM115
    except OSError:
        pass
    try:
        yield
    finally:
        for file in held:
            file.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def failing(function: Callable, error: BaseException, num_times: int = 10**9) -> Callable:
    """Raise the error so many times, from any thread, before the function is called."""
    left = [num_times]

    def fail(*arguments, **options):
        if left[0] > 0:
            left[0] -= 1
            raise error
        return function(*arguments, **options)

    return fail


@pytest.mark.parametrize("kind", ["copied", "mixed"])
@pytest.mark.parametrize("resident", [False, True])
def test_without_descriptors_the_run_stops_with_one_line(kind, resident, request):
    manifest = request.getfixturevalue(kind)
    loader = make(manifest, resident=resident)
    if not resident:
        assert seen(loader) == list(range(12))
    with no_descriptors(), pytest.raises(MachineFaultError) as caught:
        seen(loader)
    assert "\n" not in str(caught.value) and "No file was set aside" in str(caught.value)
    assert not loader.quarantine.reasons and not loader.state_dict()["quarantine"]
    assert seen(loader) == list(range(12))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_lasts_stops_the_run_and_names_the_file(name, mixed, monkeypatch):
    loader = make(mixed)
    with monkeypatch.context() as patch:
        patch.setattr(fetch.np, "fromfile", failing(np.fromfile, FAULTS[name]))
        with pytest.raises(
            MachineFaultError, match=r"machine must let .*png be read, got .*\. [A-Z]"
        ):
            seen(loader)
    assert not loader.quarantine.reasons
    assert seen(loader) == list(range(12))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_passes_is_waited_out(name, mixed, monkeypatch):
    loader = make(mixed)
    monkeypatch.setattr(fetch.np, "fromfile", failing(np.fromfile, FAULTS[name], 4))
    assert seen(loader) == list(range(12)) and not loader.quarantine.reasons


def test_paths_that_cannot_be_looked_up_are_waited_out_too(copied, monkeypatch):
    loader = make(copied)
    monkeypatch.setattr(
        fetch.PathFetcher, "check", failing(fetch.PathFetcher.check, FAULTS["EIO"], 3)
    )
    assert seen(loader) == list(range(12)) and not loader.quarantine.reasons


def test_a_batch_that_dali_cannot_read_for_a_while_is_read_again(copied, monkeypatch):
    """DALI says "File mapping failed" of a file that lacks a descriptor, and no more."""
    loader = make(copied)
    seen(loader)
    text = "encountered:\n\nFile mapping failed: x.png\nCurrent pipeline object is no longer valid."
    run = failing(loader._run, RuntimeError(text), 2)
    monkeypatch.setattr(loader, "_run", run)
    assert seen(loader) == list(range(12)) and not loader.quarantine.reasons
    monkeypatch.setattr(loader, "_run", failing(run, RuntimeError(text)))
    with pytest.raises(MachineFaultError, match=r"got File mapping failed: x\.png for"):
        seen(loader)
    assert not loader.quarantine.reasons


def test_a_decoder_that_refuses_a_sound_image_too_says_nothing_of_a_file(copied, monkeypatch):
    monkeypatch.setattr(decode, "_try_decoder", lambda *_: "failure #8")
    with pytest.raises(MemoryError, match="refuses every image: failure #8"):
        decode.find_fault(np.fromfile(copied.files[0], np.uint8), False, "a.png")


def test_a_broken_file_is_set_aside_after_an_outage_as_ever(copied, monkeypatch):
    Path(copied.files[3]).write_bytes(b"")
    loader = make(copied)
    monkeypatch.setattr(
        fetch.PathFetcher, "check", failing(fetch.PathFetcher.check, FAULTS["EIO"], 2)
    )
    assert len(seen(loader)) == 12 and list(loader.quarantine.reasons) == [3]


def test_giving_up_takes_no_longer_for_many_files(mixed, monkeypatch):
    for number in range(120):
        shutil.copy(mixed.files[-1], Path(mixed.root) / f"more{number}.png")
    many = Manifest.from_folder(mixed.root)
    monkeypatch.setattr(fetch.np, "fromfile", failing(np.fromfile, FAULTS["EIO"]))
    loader = GCALoader(many, POLICY, batch_size=60, device="cpu", num_threads=2)
    begun = time.monotonic()
    with pytest.raises(MachineFaultError):
        seen(loader)
    loader.source._threads.shutdown()
    assert time.monotonic() - begun < 3  # a try of each of them takes ten


@pytest.mark.parametrize("name", FAULTS)
def test_the_index_refuses_no_file_for_a_fault_of_the_machine(name, copied, monkeypatch):
    folder = Path(copied.root) / "images"
    whole = len(Manifest.from_folder(folder))
    for place in ("read_header", "_walk"):
        real = getattr(index, place)
        monkeypatch.setattr(index, place, failing(real, FAULTS[name], 3))
        manifest = Manifest.from_folder(folder)
        assert len(manifest) == whole and not manifest.refused
        monkeypatch.setattr(index, place, failing(real, FAULTS[name]))
        with pytest.raises(MachineFaultError, match="machine must let"):
            Manifest.from_folder(folder)
        monkeypatch.setattr(index, place, real)


def test_the_index_needs_descriptors_and_says_so(copied):
    with no_descriptors(), pytest.raises(MachineFaultError, match=r"ulimit -n"):
        Manifest.from_folder(Path(copied.root) / "images")


def test_a_reason_is_never_empty(copied, monkeypatch):
    loader = make(copied)
    monkeypatch.setattr(fetch.PathFetcher, "check", failing(fetch.PathFetcher.check, OSError(), 1))
    seen(loader)
    assert list(loader.quarantine.reasons.values()) == ["it cannot be opened: OSError"]
    loader.quarantine.add(0, " \n")
    assert loader.quarantine.reasons[0] == "no reason was given"


class StrawPredictor:
    fingerprint = "straw"

    def make_maps(self, images) -> np.ndarray:
        return np.ones((len(images), 64, 64), np.uint8)


def test_time_stamps_of_maps_are_waited_for_too(copied, tmp_path, monkeypatch):
    """A stamp that could not be read is not "no file", or the map would be made again."""
    monkeypatch.setenv("GCA_DALI_CACHE", str(tmp_path))
    everyone = np.arange(12)
    with monkeypatch.context() as patch:
        patch.setattr(predicted.os, "stat", failing(os.stat, FAULTS["ESTALE"], 2))
        table = predicted.PredictedTable.open(StrawPredictor(), copied)
        table.take(everyone, [np.zeros((2, 2), np.uint8)] * 12)
    again = predicted.PredictedTable.open(StrawPredictor(), copied)
    assert not len(again.missing(everyone))
    again = predicted.PredictedTable.open(StrawPredictor(), copied)
    monkeypatch.setattr(predicted.os, "stat", failing(os.stat, FAULTS["ESTALE"]))
    with pytest.raises(MachineFaultError, match="Stale file handle"):
        again.missing(everyone)
