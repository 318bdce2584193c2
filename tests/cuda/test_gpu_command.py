"""`make gpu`: each part in a process of its own, faults in one line, no GPU said at once."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def command():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("gpu_command", ROOT / "benchmarks" / "gpu.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("import os; assert os.environ['REQUIRE_GPU'] == '1'; import gca_dali_kernels", ""),
        ("print('all is lost'); raise SystemExit(3)", "exit status 3: all is lost"),
        ("import os; os.kill(os.getpid(), 11)", "exit status -11: it said nothing"),
    ],
)
def test_a_part_that_fails_is_told_in_one_line(command, code, fault):
    assert command.run_part(command.Part("x", ("-c", code), 60), 600) == fault


def test_a_part_that_takes_too_long_is_stopped(command, capsys):
    code = "import time; print('so far', flush=True); time.sleep(60)"
    assert command.run_part(command.Part("x", ("-c", code), 6), 600) == "stopped after 6 s"
    assert "so far" in capsys.readouterr().out
    assert command.run_part(command.Part("x", ("-c", code), 60), 1) == "not started: 600 s are over"


def test_what_a_part_started_ends_with_it(command, tmp_path):
    """Workers that outlive their part would hold the GPU in the next one."""
    code = (
        "import subprocess, sys, time\n"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(worker.pid))\n"
        "time.sleep(60)\n"
    )
    assert command.run_part(command.Part("x", ("-c", code), 6), 600) == "stopped after 6 s"
    stat, end = Path("/proc", (tmp_path / "pid").read_text(), "stat"), time.monotonic() + 10
    while is_running(stat) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(stat)


def is_running(stat: Path) -> bool:
    """Tell whether a process runs; one that has ended may still wait to be asked how."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_parts_fit_into_the_limit(command, tmp_path, monkeypatch):
    """By their budgets, the device's included; all are compiled first, the watched parts last."""
    monkeypatch.setattr(command, "find_sanitizer", lambda: "compute-sanitizer")
    parts = command.list_parts(tmp_path, None)
    budgets = [part.seconds for part in parts]
    assert sum(budgets) + command.DEVICE_SECONDS < command.LIMIT_SECONDS == 600
    names = [part.name for part in parts]
    assert names == [
        "compile",
        "kernels",
        "loader",
        "operators",
        "memcheck",
        "windows",
        "ops",
        "resident",
        "loaders",
        "step",
        "questions",
        "racecheck",
    ]
    # No part compiles the CPU's kernels in several processes at once.
    assert not any("-n" in part.command for part in parts)


def test_the_study_begins_where_the_knees_are(command, tmp_path):
    (part,) = command.study_parts(tmp_path, tmp_path / "labels.csv")
    assert Path(part.command[0]).is_file() and Path(part.command[1]).is_file()
    stopped, broken = (command.Part("x", ("-c", f"exit({n})"), 60, good=part.good) for n in (3, 1))
    assert command.run_part(stopped, 600) == ""
    assert command.run_part(broken, 600) == "exit status 1: it said nothing"


def test_every_test_of_the_gpu_is_in_a_part(command, tmp_path):
    given = {word for part in command.list_parts(tmp_path, None) for word in part.command}
    marked = "pytestmark = " + "pytest.mark.gpu"
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if marked in path.read_text()]
    assert {path.relative_to(ROOT).as_posix() for path in files} <= given
    assert len(files) == 4


def test_every_kernel_is_compiled_first():
    from benchmarks.device.compile import PROGRAMS
    from kernel_cubins import PROGRAMS as ALL

    assert list(ALL) == PROGRAMS


def test_a_sanitizer_runs_python(command):
    part = command.Part("x", ("-c", "print(1)"), 60, ("env", "--unset=NOTHING"))
    assert command.run_part(part, 600) == ""


def test_every_part_is_there(command, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "find_sanitizer", lambda: "compute-sanitizer")
    parts = command.list_parts(tmp_path, Path("chests"))
    names = [part.name for part in parts]
    assert set(names) >= {"windows", "ops", "resident", "loaders", "step"}
    for part in parts:
        if "benchmarks.device" in part.command[1]:
            assert (ROOT / (part.command[1].replace(".", "/") + ".py")).is_file()
            given = part.command[-2:] == ("--images", "chests")
            assert given == (part.name in ("loaders", "step"))


def test_without_a_gpu_it_says_so():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "gpu.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("a GPU must be usable, got ")
