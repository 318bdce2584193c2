"""The worker pool in trouble: a worker that is killed or cannot start says nothing of its file."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.fuzz_seeds import make_dicom
from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.common.machine import MachineFaultError, is_machine_fault
from gca_dali.data import fetch
from gca_dali.image import untrusted, untrusted_process
from gca_dali.image.untrusted import DecoderCrashError, DecoderPool
from gca_dali.image.untrusted_process import WorkerLostError
from gca_dali.prepare.run import StoreOptions, prepare_store

# A worker as it is, but for one file; what it has done before is counted by bytes in another file.
BOOT = """
import json, os, signal, sys
from gca_dali.image import untrusted_worker as worker
read = worker._read
def play(request, *more):
    if request["path"].endswith({name!r}) and os.path.getsize({count!r}) < {num}:
        with open({count!r}, "ab") as file:
            file.write(b"x")
        {deed}
    return read(request, *more)
worker._read = play
worker.main(*map(int, sys.argv[1:]))
"""
KILL = "os.kill(os.getpid(), signal.{})"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(untrusted, "PAUSES_SECONDS", (0.01, 0.02, 0.03, 0.04))


@pytest.fixture
def files(tmp_path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 4096, (20, 30)).astype(np.uint16)
        (folder / f"{number}.dcm").write_bytes(make_dicom(pixels))
    return folder


@pytest.fixture
def play(monkeypatch, tmp_path):
    """Make workers do a deed, so many times, when they are asked for 1.dcm."""

    def play(deed: str, num: int, name: str = "1.dcm") -> None:
        count = tmp_path / "count"
        count.touch()
        boot = BOOT.format(name=name, count=str(count), num=num, deed=deed)
        monkeypatch.setattr(untrusted_process, "_BOOT", boot)
        monkeypatch.setattr(
            fetch, "read_untrusted", lambda path, **options: pool.read(path, **options)
        )

    with DecoderPool(num_workers=1) as pool:
        yield play


def load(files: Path) -> tuple[list[int], dict[int, str]]:
    loader = GCALoader(
        Manifest.from_folder(files), ViewPolicy.random(size=16), batch_size=2, device="cpu"
    )
    return sorted(i for batch in loader for i in batch.index.tolist()), loader.quarantine.reasons


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV"])
def test_a_worker_that_dies_once_costs_no_file(files, play, name):
    play(KILL.format(name), 1)
    assert load(files) == ([0, 1, 2, 3], {})


def test_a_worker_that_is_killed_twice_costs_no_file(files, play):
    play(KILL.format("SIGKILL"), 2)
    assert load(files) == ([0, 1, 2, 3], {})


@pytest.mark.parametrize(
    ("name", "reason"),
    [("SIGKILL", "decoder was killed 5 times"), ("SIGSEGV", "decoder crashed (SIGSEGV)")],
)
def test_a_file_whose_workers_die_while_others_decode_is_set_aside(files, play, name, reason):
    play(KILL.format(name), 10**9)
    indices, reasons = load(files)
    assert len(indices) == 4 and list(reasons) == [1] and reason in reasons[1]


def test_where_every_worker_is_killed_the_run_stops_and_no_file_is_blamed(files, play, tmp_path):
    play(KILL.format("SIGKILL"), 10**9, name="")
    manifest = Manifest.from_folder(files)
    loader = GCALoader(manifest, ViewPolicy.random(size=16), batch_size=2, device="cpu")
    with pytest.raises(MachineFaultError, match=r"was killed \(SIGKILL\) on .*Free memory"):
        list(loader)
    assert not loader.quarantine.reasons


def test_prepare_blames_no_file_either(files, monkeypatch, tmp_path):
    manifest = Manifest.from_folder(files)
    (tmp_path / "count").touch()
    values = {"name": "", "count": str(tmp_path / "count"), "deed": KILL.format("SIGKILL")}
    with monkeypatch.context() as patch:
        patch.setattr(untrusted_process, "_BOOT", BOOT.format(num=10**9, **values))
        with pytest.raises(MachineFaultError, match="must let decoders work"):
            prepare_store(manifest, tmp_path / "store", StoreOptions(16))
    assert not prepare_store(manifest, tmp_path / "store", StoreOptions(16)).faults


@pytest.mark.parametrize("number", [errno.ENFILE, errno.EIO, errno.ESTALE])
def test_what_the_machine_denies_a_worker_is_no_fault_of_the_file(files, play, number):
    play(f"raise OSError({number}, 'denied')", 2)
    assert load(files) == ([0, 1, 2, 3], {})


def test_a_disk_fault_that_a_reader_took_for_broken_data_is_none_of_the_file(files, play):
    refusal = "worker.UnreadableImageError('1.dcm', 'broken data')"
    play(f"raise {refusal} from OSError({errno.EIO}, 'denied')", 2)
    assert load(files) == ([0, 1, 2, 3], {})


def test_a_worker_that_cannot_start_costs_no_file(files, monkeypatch):
    boot = untrusted_process._BOOT.replace("gca_dali.image.untrusted_worker", "nowhere")
    with DecoderPool(num_workers=1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(untrusted_process, "_BOOT", boot)
            with pytest.raises(WorkerLostError, match="got one that cannot start"):
                pool.read(files / "0.dcm")
        assert pool.read(files / "0.dcm")[0].shape == (20, 30)


def test_a_worker_with_less_memory_than_it_should_have_blames_no_file(tmp_path):
    """Where the user's own limit is lower than a worker's, a file that needs more may be sound."""
    path = tmp_path / "large.png"
    Image.fromarray(np.zeros((12_000, 12_000), np.uint8)).save(path, compress_level=1)
    program = (
        "import sys, resource; from gca_dali.image.untrusted import DecoderPool\n"
        "from gca_dali.common.machine import is_machine_fault\n"
        "resource.setrlimit(resource.RLIMIT_AS, (450 << 20, 450 << 20))\n"
        "try:\n"
        "    DecoderPool(1).read(sys.argv[1])\n"
        "except BaseException as error:\n"
        "    print(is_machine_fault(error), type(error).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.stdout.split()[0] == "True", done.stderr


def test_a_refusal_is_told_from_a_fault():
    assert not is_machine_fault(DecoderCrashError("a", "data on which the decoder crashed"))
    assert is_machine_fault(WorkerLostError("x"))
