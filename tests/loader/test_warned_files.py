"""What decoders print of a file comes with the file's name, once; all else on stderr as before."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from gca_dali import GCALoader, Manifest, ViewPolicy
from gca_dali.steps import decode_alone as decode_alone_module
from gca_dali.steps import warned
from gca_dali.steps.decode_alone import decode_alone
from odd_images import chunk, jpeg, make_image, png

LINE = "Corrupt JPEG data: of a file of long ago"
EXTRA = b"\1\2\3\4\5\6\7"
EPOCHS = """
import ctypes, sys
from gca_dali import GCALoader, Manifest, ViewPolicy
manifest = Manifest.from_folder(sys.argv[1])
loader = GCALoader(manifest, ViewPolicy.random(size=8), batch_size=2, device="cpu", drop_last=False)
libc = ctypes.CDLL(None)
"""
# A child that says nothing for a minute, which the end of the run would not wait for.
STUCK = """
import time
from gca_dali.steps import decode_alone, warned
decode_alone._BOOT = "import time; time.sleep(60)"
warned._SECONDS_AT_END = 1
list(loader), list(loader)
assert warned._watch()._thread.is_alive()
print(time.time())
"""
TWO_EPOCHS = EPOCHS + "print(sum(len(batch.index) for _ in range(2) for batch in loader))\n"
HELD = """
import ctypes, logging, os, sys
logging.disable()  # of kernels that are compiled
from gca_dali.steps.held_lines import HeldLines
libc = ctypes.CDLL(None)
libc.freopen.restype = ctypes.c_void_p
lines = HeldLines()
stderr = lambda: ctypes.c_void_p(ctypes.c_void_p.in_dll(libc, "stderr").value)
say = lambda text: libc.fputs(text, stderr())
"""


class Lines:
    """A decoder that speaks all the time."""

    def take(self) -> list[str]:
        return [LINE]

    def let_go(self) -> None:
        pass


def finish(watch: warned.Watch) -> None:
    assert watch._thread is not None
    watch._thread.join()


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture
def folder(tmp_path):
    """Images that DALI decodes; of three its decoders print something."""
    sound = jpeg()
    (tmp_path / "sound.jpg").write_bytes(sound)
    (tmp_path / "more.jpg").write_bytes(sound[:-2] + EXTRA + sound[-2:])
    (tmp_path / "twice.jpg").write_bytes(sound[:-2] + 2 * EXTRA + sound[-2:])
    (tmp_path / "text.png").write_bytes(png(make_image(), before=chunk(b"tEXt", b"a\0b", damage=1)))
    (tmp_path / "sound.png").write_bytes(png(make_image()))
    return tmp_path


@pytest.fixture
def watch(monkeypatch) -> Iterator[warned.Watch]:
    """The watch of this process, which hears a line at every look."""
    watch = warned.Watch(Lines())  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(warned, "_watch", lambda: watch)
    yield watch
    atexit.unregister(watch._end)


def test_each_file_is_named_once_in_two_epochs_and_no_line_is_without_a_name(folder):
    done = run(TWO_EPOCHS, folder)
    assert (done.returncode, done.stdout) == (0, "10\n")
    lines = [line for line in done.stderr.splitlines() if "JPEG data" in line or "libpng" in line]
    said = dict(line.split(": ", 1) for line in lines)
    assert len(lines) == 3
    assert said["text.png"] == "libpng warning: tEXt: CRC error"
    for name, num_bytes in (("more.jpg", len(EXTRA)), ("twice.jpg", 2 * len(EXTRA))):
        # The decoder may have taken some of them for data.
        start, number, *end = said[name].rsplit(" ", 6)
        assert start == "Corrupt JPEG data:"
        assert num_bytes - 2 <= int(number) <= num_bytes
        assert end == ["extraneous", "bytes", "before", "marker", "0xd9"]


def test_a_line_of_no_file_is_shown_and_said_to_be_of_none(folder):
    speak = (
        "import time\n"
        "batches = iter(loader)\n"
        "next(batches)\n"
        "stderr = ctypes.c_void_p.in_dll(libc, 'stderr')\n"
        "libc.fputs(b'Corrupt JPEG data: of nobody\\n', stderr)\n"
    )
    done = run(EPOCHS + speak, folder)
    assert done.returncode == 0
    (line,) = [line for line in done.stderr.splitlines() if "of nobody" in line]
    assert line.startswith("Corrupt JPEG data: of nobody (said of none of the ")


def test_other_words_pass_at_once_and_outlive_an_abort():
    done = run(HELD + "say(b'a word\\n')\nsay(b'last words')\nlibc.abort()\n")
    assert done.returncode == -signal.SIGABRT
    assert done.stderr == "a word\nlast words"


def test_a_fatal_error_of_python_is_printed():
    done = run(HELD + "ctypes.pythonapi.Py_FatalError(b'the end')\n")
    assert done.returncode == -signal.SIGABRT
    assert "Fatal Python error: " in done.stderr
    assert "the end" in done.stderr


def test_the_stream_can_be_opened_anew(tmp_path):
    done = run(
        HELD
        + "assert libc.fileno(stderr()) == 2\n"
        + "assert libc.freopen(sys.argv[1].encode(), b'w', stderr())\n"
        + "say(b'Corrupt JPEG data: written there\\n')\nlibc.fflush(None)\n",
        tmp_path / "words",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "words").read_text() == "Corrupt JPEG data: written there\n"


def test_lines_are_held_whole_whoever_writes_between():
    done = run(
        HELD
        + "say(b'libpng warning: a')\nsay(b'libpng warning: b')\nsay(b'Corrupt JPEG')\n"
        + "say(b'\\n')\nsay(b'\\n')\nsay(b'\\n')\nprint(lines.take(), lines.take())\n"
    )
    assert done.stdout == "['libpng warning: a', 'libpng warning: b'] []\n"
    assert done.stderr == "Corrupt JPEG\n"


def test_lines_for_which_there_is_no_room_are_shown():
    many = 3000
    done = run(
        HELD
        + f"for i in range({many}):\n    say(b'Corrupt JPEG data: %20d\\n' % i)\n"
        + "print(len(lines.take()))\n"
    )
    num_held, shown = int(done.stdout), done.stderr.splitlines()
    assert 0 < num_held < many
    assert num_held + len(shown) == many
    assert shown[-1] == f"Corrupt JPEG data: {many - 1:20d}"


def test_a_forked_child_has_the_former_stream():
    done = run(
        HELD
        + "if not os.fork():\n    say(b'libpng warning: of a child\\n')\n    os._exit(0)\n"
        + "os.wait()\nprint(lines.take())\n"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "libpng warning: of a child\n")


def test_where_stderr_cannot_be_replaced_the_loader_runs_without(folder, monkeypatch):
    def refuse() -> None:
        raise AttributeError("gnu_get_libc_version")

    monkeypatch.setattr(warned, "HeldLines", refuse)
    warned._watch.cache_clear()
    try:
        manifest, policy = Manifest.from_folder(folder), ViewPolicy.random(size=8)
        loader = GCALoader(manifest, policy, batch_size=2, device="cpu", drop_last=False)
        assert sum(len(batch.index) for batch in loader) == 5
    finally:
        warned._watch.cache_clear()


def test_only_late_batches_are_suspected_however_often_decoders_speak(folder, watch, monkeypatch):
    asked: list[str] = []

    def decode_alone(files: list[str], _: object) -> dict[str, list[str]]:
        asked.extend(files)
        return {file: [] for file in files}

    monkeypatch.setattr(warned, "decode_alone", decode_alone)
    manifest = Manifest.from_folder(folder)
    served = warned.Served(manifest)
    served.note(np.array([0, 1]))
    for _ in range(20):
        served.look()
        served.note(np.array([2, 2]))
    assert served.names() == {manifest.files[2]: manifest.path[2]}
    finish(watch)
    served.look()
    finish(watch)
    assert sorted(asked) == sorted(manifest.files[:3])


def test_the_end_does_not_wait_for_a_process_that_is_stuck(folder):
    done = run(EPOCHS + STUCK, folder)
    assert done.returncode == 0, done.stderr
    assert time.time() - float(done.stdout) < 20
    assert "of 5 images could not be asked" in done.stderr
    assert warned._SECONDS_AT_END + warned._SECONDS_TO_STOP < 30


def test_a_stopped_process_is_replaced_at_the_end(folder, watch, monkeypatch, caplog):
    def decode_alone(files: list[str], is_over: Callable[[], bool]) -> dict[str, list[str]]:
        while len(files) > 1 and not is_over():
            time.sleep(0.01)
        return {files[0]: [LINE]}

    monkeypatch.setattr(warned, "decode_alone", decode_alone)
    manifest = Manifest.from_folder(folder)
    served = warned.Served(manifest)
    served.note(np.array([0, 1]))
    served.look()
    watch._end()
    assert caplog.messages == [f"{path}: {LINE}" for path in manifest.path[:2]]


def test_no_more_than_a_thousand_files_wait_behind_a_slow_process(watch, monkeypatch, caplog):
    asked: list[int] = []

    def decode_alone(files: list[str], is_over: Callable[[], bool]) -> dict[str, list[str]]:
        asked.append(len(files))
        while not is_over():
            time.sleep(0.01)
        return {}

    monkeypatch.setattr(warned, "decode_alone", decode_alone)
    monkeypatch.setattr(warned, "_SECONDS_AT_END", 0)
    names = [f"{i}.jpg" for i in range(5000)]
    rows = SimpleNamespace(files=names, path=names, format=["jpeg"] * len(names), places=None)
    served = warned.Served(rows)  # pyright: ignore[reportArgumentType]
    for index in np.arange(len(names)).reshape(100, 50):
        served.note(index)
        served.look()
    assert len(watch._suspects) <= warned._NUM_SUSPECTS
    watch._end()
    assert asked[1:] == [warned._NUM_AT_END]
    assert caplog.messages == [f"{LINE} (5000 of 5000 images could not be asked)"]


@pytest.mark.parametrize("share", [0, 0.5])
def test_files_that_were_not_asked_are_no_silent_ones(folder, watch, monkeypatch, caplog, share):
    asked: list[int] = []

    def decode_alone(files: list[str], _: object) -> dict[str, list[str]]:
        asked.append(len(files))
        return {file: [] for file in files[: int(len(files) * share)]}

    monkeypatch.setattr(warned, "decode_alone", decode_alone)
    served = warned.Served(Manifest.from_folder(folder))
    served.note(np.arange(4))
    for _ in range(21):
        served.look()
        finish(watch)
    assert caplog.messages == [f"{LINE} ({4 - int(4 * share)} of 4 images could not be asked)"]
    # Three times in a row without an answer, and no more.
    assert [num for num in asked if num] == ([4, 2, 1, 1, 1] if share else [4, 4, 4])


def test_decoded_alone_each_file_has_its_own_lines(folder):
    broken = folder / "broken.png"
    broken.write_bytes((folder / "sound.png").read_bytes()[:60])
    files = [str(folder / name) for name in ("text.png", "none.jpg", "broken.png", "sound.jpg")]
    said = decode_alone(files, lambda: False)
    assert list(said) == files
    assert said[files[0]] == ["libpng warning: tEXt: CRC error"]
    assert said[files[1]] == said[files[3]] == []


def test_a_process_that_does_not_start_says_of_no_file(monkeypatch):
    monkeypatch.setattr(sys, "executable", os.devnull)
    assert decode_alone(["a.jpg"], lambda: False) == {}


def test_ctrl_c_is_not_for_the_process(monkeypatch):
    monkeypatch.setattr(decode_alone_module, "_BOOT", "import os; print([os.getsid(0)])")
    (group,) = decode_alone(["a.jpg"], lambda: False)["a.jpg"]
    assert group != os.getsid(0)
