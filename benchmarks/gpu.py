"""Everything that needs a GPU: tests, sanitizers and benchmarks, within ten minutes.

`make gpu`, or `python benchmarks/gpu.py [--images FOLDER] [--only PART …]`, runs the parts one
after the other, each in a process of its own: what fails in one is recorded and the others go on.
Rows go to `benchmarks/results/<device>.json`; a row "passed" says of each part whether it did. The
exit status is 1 if one did not.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "kernels")]
LIMIT_SECONDS = 600
SMALL_TESTS = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/cuda/test_gpu_kernels.py")
SMALL_TESTS += ("-k", "small_cases")
ERROR_STATUS = "86"
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
    """

    name: str
    command: tuple[str, ...]
    seconds: int
    prefix: tuple[str, ...] = ()


def list_parts(work: Path, images: Path | None) -> list[Part]:
    """Return the parts in the order of their weight: what is cut off at the end weighs least."""

    def benchmark(name: str, *given: str) -> tuple[str, ...]:
        return ("-m", f"benchmarks.device.{name}", str(work / f"{name}.json"), *given)

    folder = ("--images", str(images)) if images else ()
    parts = [
        Part("tests", ("-m", "pytest", "-q", "-n", "4", "-m", "gpu", "tests"), 240),
        Part("windows", benchmark("windows"), 60),
        Part("ops", benchmark("ops"), 60),
        Part("resident", benchmark("resident", str(work)), 90),
        Part("loaders", benchmark("loaders", str(work), *folder), 180),
        Part("step", benchmark("step", str(work), *folder), 120),
    ]
    sanitizer = find_sanitizer()
    if sanitizer is None:
        print("compute-sanitizer: not found, neither memcheck nor racecheck is run", flush=True)
        return parts
    for tool in ("memcheck", "racecheck"):
        prefix = (sanitizer, "--tool", tool, "--error-exitcode", ERROR_STATUS)
        parts.append(Part(tool, SMALL_TESTS, 90, prefix))
    return parts


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
    try:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        print(tail(error.output), flush=True)
        return f"stopped after {seconds:.0f} s"
    print(tail(done.stdout), flush=True)
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return f"exit status {done.returncode}: {lines[-1][:200] if lines else 'it said nothing'}"


def tail(text: str | bytes | None) -> str:
    """Return the last lines of what a part printed."""
    decoded = text.decode(errors="replace") if isinstance(text, bytes) else text or ""
    return "\n".join(decoded.splitlines()[-40:])


def name_device() -> str:
    """Return the name of the GPU; end with a line if there is none that torch can use."""
    done = subprocess.run(
        [sys.executable, "-c", DEVICE], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        sys.exit(f"a GPU must be usable, got {said[-1] if said else 'nothing'}. See nvidia-smi.")
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    """Run the parts and write the result file."""
    from benchmarks.row import RESULTS, make_row, read_rows, write_rows

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="folder of 8-bit JPEGs; phantoms without")
    parser.add_argument("--only", nargs="+", metavar="PART", help="names of parts")
    parser.add_argument("--out", type=Path, help="result file")
    given = parser.parse_args()
    device, start = name_device(), time.monotonic()
    name = re.sub(r"[^a-z0-9]+", "_", device.lower()).strip("_")
    out = given.out or RESULTS / f"{name}.json"
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for part in list_parts(work, given.images and given.images.resolve()):
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
