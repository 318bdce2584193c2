"""Everything that needs a GPU: tests, sanitizers and benchmarks, within ten minutes.

`make gpu`, or `python benchmarks/gpu.py [--images FOLDER] [--knees LABELS] [--only PART …]`, runs
the parts one after the other, each in a process of its own: what fails in one is recorded and the
others go on.
Rows go to `benchmarks/results/<device>.json`; a row "passed" says of each part whether it did. The
exit status is 1 if one did not.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "kernels")]
LIMIT_SECONDS = 600
# Of finding the device; what is left is more than the parts may take together.
DEVICE_SECONDS = 15
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu")
KERNEL_TESTS = (*PYTEST, "tests/cuda/test_gpu_kernels.py")
LOADER_TESTS = (*PYTEST, "tests/cuda/test_gpu_loader.py")
OPERATOR_TESTS = (*PYTEST, "tests/cuda/test_gpu_operators.py")
QUESTIONS = (*PYTEST, "tests/cuda/test_gpu_questions.py")
SMALL_TESTS = (*KERNEL_TESTS, "-k", "small_cases")
ERROR_STATUS = "86"
STOPPED_STATUS = 3
# Calls that fail and are answered, such as the question whether a pointer is the device's, are no
# fault of a kernel.
SANITIZERS = {"memcheck": ("--report-api-errors", "no"), "racecheck": ()}
DEVICE = "import torch; torch.zeros(1, device='cuda'); print(torch.cuda.get_device_name())"


@dataclass(frozen=True)
class Part:
    """One process.

    Attributes
    ----------
    name : str
    command : tuple of str
        What Python is given.
    seconds : int
        After so long it is stopped.
    prefix : tuple of str
        What runs Python, a sanitizer.
    good : tuple of int
        Exit statuses that are no fault.
    """

    name: str
    command: tuple[str, ...]
    seconds: int
    prefix: tuple[str, ...] = ()
    good: tuple[int, ...] = (0,)


def list_parts(work: Path, images: Path | None, knees: Path | None = None) -> list[Part]:
    """Return the parts, the most telling first; together they may take less than the limit.

    The first compiles all kernels, of CUDA and of the CPU, which the others find on disk. The
    study comes last and takes what is left; it is stopped in its first cells.
    """

    def benchmark(name: str, seconds: int, *given: str) -> Part:
        command = ("-m", f"benchmarks.device.{name}", str(work / f"{name}.json"), *given)
        return Part(name, command, seconds)

    folder = ("--images", str(images)) if images else ()
    return [
        benchmark("compile", 75, str(work)),
        Part("kernels", KERNEL_TESTS, 55),
        Part("loader", LOADER_TESTS, 70),
        Part("operators", OPERATOR_TESTS, 45),
        *watched_parts("memcheck", 40),
        benchmark("windows", 35),
        benchmark("ops", 45),
        benchmark("resident", 45, str(work)),
        benchmark("loaders", 70, str(work), *folder),
        benchmark("step", 50, str(work), *folder),
        Part("questions", QUESTIONS, 30),
        *watched_parts("racecheck", 20),
        *study_parts(work, knees),
    ]


def study_parts(work: Path, knees: Path | None) -> list[Part]:
    """Return the first minute of the large study, where the knees are here."""
    if knees is None:
        print("study: not run, it needs --knees", flush=True)
        return []
    study = REPOSITORY / "benchmarks" / "study"
    places = ("--work", str(work / "study"), "--results", str(work / "study_full"))
    given = (str(study / "full.json"), "--labels", str(knees), "--minutes", "0.8", *places)
    return [Part("study", (str(study / "study.py"), *given), 90, good=(0, STOPPED_STATUS))]


def watched_parts(tool: str, seconds: int) -> list[Part]:
    """Return the part in which compute-sanitizer watches the small tests, where it is here."""
    sanitizer = find_sanitizer()
    if sanitizer is None:
        print(f"compute-sanitizer: not found, {tool} is not run", flush=True)
        return []
    return [Part(tool, SMALL_TESTS, seconds, watch(sanitizer, tool))]


def watch(sanitizer: str, tool: str) -> tuple[str, ...]:
    """Return what runs a program under a tool of compute-sanitizer."""
    return (sanitizer, "--tool", tool, *SANITIZERS[tool], "--error-exitcode", ERROR_STATUS)


def find_sanitizer() -> str | None:
    """Return compute-sanitizer, from the path, the CUDA toolkit or NVIDIA's Python packages."""
    found = shutil.which("compute-sanitizer")
    folders = [Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))]
    package = importlib.util.find_spec("nvidia")
    for home in (package.submodule_search_locations if package else None) or ():
        folders += sorted(Path(home).iterdir())
    for folder in folders:
        for path in ("bin/compute-sanitizer", "compute-sanitizer/compute-sanitizer"):
            if found is None and os.access(folder / path, os.X_OK):
                found = str(folder / path)
    return found


def run_part(part: Part, limit_seconds: float) -> str:
    """Run a part; return what went wrong in one line, an empty string if nothing did."""
    environment = os.environ | {
        "REQUIRE_GPU": "1",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "kernels")]),
    }
    seconds = min(part.seconds, limit_seconds)
    if seconds < 5:
        return f"not started: {LIMIT_SECONDS} s are over"
    command = [*part.prefix, sys.executable, *part.command]
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        said = end_all_of(process)
        print(tail(said), flush=True)
        return f"stopped after {seconds:.0f} s"
    except BaseException:
        end_all_of(process)
        raise
    print(tail(said), flush=True)
    if process.returncode in part.good:
        return ""
    lines = [line for line in said.splitlines() if line.strip()]
    return f"exit status {process.returncode}: {lines[-1][:200] if lines else 'it said nothing'}"


def end_all_of(process: subprocess.Popen[str]) -> str:
    """End a part with the processes that it started, and return what it had printed."""
    os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()[0]


def tail(text: str) -> str:
    """Return the last lines of what a part printed."""
    return "\n".join(text.splitlines()[-40:])


def name_device() -> str:
    """Return the name of the GPU; end with a line if there is none that torch can use."""
    command = [sys.executable, "-c", DEVICE]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=DEVICE_SECONDS
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"a GPU must answer within {DEVICE_SECONDS} s, got silence. See nvidia-smi.")
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        sys.exit(f"a GPU must be usable, got {said[-1] if said else 'nothing'}. See nvidia-smi.")
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    """Run the parts and write the result file."""
    from benchmarks.row import RESULTS, make_row, read_rows, write_rows

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="folder of 8-bit JPEGs; phantoms without")
    parser.add_argument("--knees", type=Path, help="labels.csv of the OAI knees: their study")
    parser.add_argument("--only", nargs="+", metavar="PART", help="names of parts")
    parser.add_argument("--out", type=Path, help="result file")
    given = parser.parse_args()
    knees = given.knees and given.knees.resolve()
    start, device = time.monotonic(), name_device()
    name = re.sub(r"[^a-z0-9]+", "_", device.lower()).strip("_")
    out = given.out or RESULTS / f"{name}.json"
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for part in list_parts(work, given.images and given.images.resolve(), knees):
            if given.only and part.name not in given.only:
                continue
            print(f"== {part.name}", flush=True)
            before = time.monotonic()
            fault = run_part(part, LIMIT_SECONDS - (before - start))
            seconds = time.monotonic() - before
            rows = read_rows(work / f"{part.name}.json")
            names = ("gpu", part.name, "all parts")
            rows.append(make_row(names, "passed", "", [0.0 if fault else 1.0], device))
            rows.append(make_row(names, "time", "s", [seconds], device))
            write_rows(out, rows)
            if fault:
                failed.append(f"{part.name}: {fault}")
    print(f"== {time.monotonic() - start:.0f} s, rows in {out}")
    if failed:
        sys.exit("failed: " + "; ".join(failed))


if __name__ == "__main__":
    main()
