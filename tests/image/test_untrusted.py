"""The worker pool: same pixels as in this process, and nothing that a decoder does reaches it."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from benchmarks.fuzz_seeds import make_dicom, make_seeds
from gca_dali.image import untrusted, untrusted_process
from gca_dali.image.claims import UnreadableImageError
from gca_dali.image.dicom import read_dicom
from gca_dali.image.read import read_image
from gca_dali.image.untrusted import DecoderCrashError, DecoderPool, read_untrusted

BOOT = "import os, sys, time; "
WAIT_FOR_REQUEST = BOOT + "sys.stdin.buffer.read(4); "
SPIN = (
    "from gca_dali.image import untrusted_worker as w; "
    "w._answer = lambda *_: exec('while 1: pass'); "
    "w.main(*map(int, sys.argv[1:]))"
)
FAULTS = {
    "abort": ("os.abort()", "crashed .SIGABRT"),
    "segfault": ("os.kill(os.getpid(), 11)", "crashed .SIGSEGV"),
    "exit": ("sys.exit(3)", "crashed .exit code 3"),
    "sleep": ("time.sleep(60)", "did not end in 1 s"),
    "spin": (SPIN, "did not end in 1 s"),
    "half": ("os.write(1, b'ab')", "crashed .exit code 0"),
    "babble": ("os.write(1, b'x' * 4096)", "crashed"),
    "nonsense": ("os.write(1, b'\\x02\\0\\0\\0{}')", "crashed"),
}


def pid_of(pool: DecoderPool) -> int:
    process = pool._slots.queue[0]._process
    assert process is not None
    return process.pid


def wait_for_end(pid: int) -> None:
    for _ in range(100):
        if not is_running(pid):
            return
        time.sleep(0.1)
    pytest.fail(f"worker {pid} did not end")


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def pool():
    with DecoderPool(num_workers=1) as pool:
        yield pool


@pytest.fixture
def png(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(make_seeds()["png-grey16"])
    return path


@pytest.mark.parametrize("name", make_seeds())
def test_same_pixels_as_in_this_process(pool, tmp_path, name):
    path = tmp_path / "file"
    path.write_bytes(make_seeds()[name])
    image, intensity = pool.read(path)
    expected = read_image(path)
    assert image.dtype == expected.dtype
    np.testing.assert_array_equal(image, expected)
    assert intensity == (read_dicom(path)[1] if name.startswith("dicom") else None)


def test_frame_and_choice_arrive(pool, tmp_path):
    path = tmp_path / "frames.dcm"
    pixels = np.random.default_rng(0).integers(0, 4096, (2, 20, 30)).astype(np.uint16)
    path.write_bytes(make_dicom(pixels, num_frames=2))
    image, intensity = pool.read(path, frame=1, voi="percentile")
    np.testing.assert_array_equal(image, read_dicom(path, frame=1, voi="percentile")[0])
    assert intensity.voi == "percentile"
    with pytest.raises(ValueError, match="frame must be 0…1, got 2"):
        pool.read(path, frame=2)
    with pytest.raises(ValueError, match="voi must be one of"):
        pool.read(path, voi="best")


def test_refusals_are_those_of_the_reader(pool, tmp_path):
    path = tmp_path / "röntgen 1\n.png"
    path.write_bytes(make_seeds()["png-grey16"][:60])
    with pytest.raises(UnreadableImageError, match=r"broken PNG data.*Copy the file") as caught:
        pool.read(path)
    assert caught.value.path == str(path)
    assert not isinstance(caught.value, DecoderCrashError)
    with pytest.raises(FileNotFoundError, match=r"path must be a file, got .*nothing"):
        pool.read(tmp_path / "nothing")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_one_file(monkeypatch, png, fault):
    code, reason = FAULTS[fault]
    with DecoderPool(num_workers=1, cpu_seconds=1) as pool:
        with monkeypatch.context() as patch:
            start = BOOT if fault == "spin" else WAIT_FOR_REQUEST
            patch.setattr(untrusted_process, "_BOOT", start + code)
            if fault == "sleep":
                patch.setattr(untrusted_process, "_WAIT_PER_CPU_SECOND", 1.0)
            with pytest.raises(DecoderCrashError, match=f"data on which the decoder.*{reason}"):
                pool.read(png)
        assert pool.read(png)[0].shape == (24, 32)


def test_a_worker_that_died_idle_costs_no_file(png):
    with DecoderPool(num_workers=1) as pool:
        pool.read(png)
        os.kill(pid_of(pool), signal.SIGKILL)
        wait_for_end(pid_of(pool))
        assert pool.read(png)[0].shape == (24, 32)


def test_relative_paths_follow_the_caller(pool, monkeypatch, png):
    monkeypatch.chdir(png.parent)
    assert pool.read(png.name)[0].shape == (24, 32)


def test_workers_are_renewed(monkeypatch, png):
    monkeypatch.setattr(untrusted_process, "_MAX_FILES_PER_WORKER", 2)
    with DecoderPool(num_workers=1) as pool:
        pids = []
        for _ in range(4):
            pool.read(png)
            pids.append(pid_of(pool))
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_memory_has_a_limit(tmp_path):
    path = tmp_path / "large.png"
    Image.fromarray(np.zeros((12_000, 12_000), np.uint8)).save(path, compress_level=1)
    with DecoderPool(num_workers=1, memory_bytes=450 << 20) as pool:
        with pytest.raises(UnreadableImageError, match="more pixels than memory holds"):
            pool.read(path)
        small = tmp_path / "small.png"
        small.write_bytes(make_seeds()["png-grey8"])
        assert pool.read(small)[0].shape == (24, 32)


def test_threads_share_a_pool(tmp_path):
    for number in range(40):
        pixels = np.full((30, 40), number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    with DecoderPool(num_workers=2) as pool, ThreadPoolExecutor(4) as threads:
        images = list(threads.map(lambda n: pool.read(tmp_path / f"{n}.png")[0], range(40)))
    assert [int(image.max()) for image in images] == list(range(40))


def test_an_interrupt_leaves_no_stale_reply(monkeypatch, tmp_path, png):
    other = tmp_path / "b.png"
    Image.fromarray(np.zeros((5, 6), np.uint8)).save(other)

    def interrupt(*_):
        raise KeyboardInterrupt

    with DecoderPool(num_workers=1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(untrusted_process, "_receive", interrupt)
            with pytest.raises(KeyboardInterrupt):
                pool.read(png)
        assert pool.read(other)[0].shape == (5, 6)


def test_threads_that_come_at_once_share_a_pool(monkeypatch):
    made = []

    class SlowPool:
        def __init__(self, num_workers: int) -> None:
            time.sleep(0.05)
            made.append(self)

    monkeypatch.setattr(untrusted, "DecoderPool", SlowPool)
    monkeypatch.setattr(untrusted, "_pools", {})
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(untrusted._find_pool, [os.getpid()] * 8))
    assert len(made) == 1 and set(found) == set(made)


def test_shared_pool_survives_a_fork(png):
    expected = read_untrusted(png)[0]
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        same = np.array_equal(read_untrusted(png)[0], expected)
        untrusted._close_shared()
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(read_untrusted(png)[0], expected)


def test_workers_end_with_their_parent(png):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        pool = DecoderPool(num_workers=1)
        pool.read(png)
        os.write(writing, str(pid_of(pool)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    wait_for_end(int(os.read(reading, 32)))


@pytest.mark.parametrize("option", [{"num_workers": 0}, {"cpu_seconds": 0}, {"memory_bytes": -1}])
def test_limits_must_be_positive(option):
    (name,) = option
    with pytest.raises(ValueError, match=f"{name} must be positive, got .*Leave it at its default"):
        DecoderPool(**option)
