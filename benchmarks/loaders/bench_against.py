"""The loader of this checkout and that of another (an older commit, say), in turns.

`python -m benchmarks.loaders.bench_against OTHER FOLDER --views 4` starts a process in each of the
two, which load the images of FOLDER with `ViewPolicy.gca`, one at a time: the other waits with its
queues full. Enters: a checkout, and a folder of images. Leaves: rows of
`benchmarks/results/against_cpu.json`, with the rates of both and their ratio round by round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.row import REPOSITORY, RESULTS, make_row, write_rows

LOADER = """
import json, sys, time
import gca_dali
folder, num_views, batch_size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
manifest = gca_dali.Manifest.from_folder(folder)
policy = gca_dali.ViewPolicy.gca(num_views=num_views)
loader = gca_dali.GCALoader(manifest, policy, "centre", batch_size=batch_size, device="cpu")

def batches():
    while True:
        yield from loader

batch = batches()
for _ in range(5):
    next(batch)
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(3):
        next(batch)
    start, processor, num_images = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < float(line):
        num_images += len(next(batch).index)
    seconds = time.perf_counter() - start
    used = time.process_time() - processor
    print(json.dumps([num_images / seconds, 1e3 * used / num_images]), flush=True)
"""
PAUSE_SECONDS = 0.4  # until the queues of the one that ran are full
NUM_BATCHES = 64  # of an epoch: few turns meet its end


def repeat_files(images: Path, folder: Path, num_files: int) -> None:
    """Copy a folder's files, and link the copies under more names: a long epoch of few images."""
    files = sorted(path for path in images.iterdir() if path.is_file())
    copies = [folder / f"{number:06d}{file.suffix}" for number, file in enumerate(files)]
    for file, copy in zip(files, copies, strict=True):
        shutil.copyfile(file, copy)
    for number in range(len(files), num_files):
        copy = copies[number % len(files)]
        (folder / f"{number:06d}{copy.suffix}").hardlink_to(copy)


def start(checkout: Path, arguments: list[str]) -> subprocess.Popen[str]:
    """Start the loader of a checkout; return when it has given some batches."""
    path = os.pathsep.join([str(checkout), str(checkout / "kernels")])
    process = subprocess.Popen(
        [sys.executable, "-c", LOADER, *arguments],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # an older one prints what decoders say, batch by batch
        text=True,
    )
    receive(process)
    return process


def receive(process: subprocess.Popen[str]) -> str:
    """Return the next line of a loader; RuntimeError where it has ended."""
    line = process.stdout.readline()  # pyright: ignore[reportOptionalMemberAccess]
    if not line:
        raise RuntimeError(f"a loader ended with exit code {process.wait()}")
    return line


def take_turn(process: subprocess.Popen[str], seconds: float) -> list[float]:
    """Let a loader run for a while; return images/s and milliseconds of its own per image."""
    process.stdin.write(f"{seconds}\n")  # pyright: ignore[reportOptionalMemberAccess]
    process.stdin.flush()  # pyright: ignore[reportOptionalMemberAccess]
    rate = json.loads(receive(process))
    time.sleep(PAUSE_SECONDS)
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="a checkout, with 'git worktree add' for instance")
    parser.add_argument("images", type=Path, help="folder of images")
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--out", type=Path, default=RESULTS / "against_cpu.json")
    args = parser.parse_args()
    git = ["git", "-C", str(args.other), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    measured = np.empty((args.rounds, 2, 2))
    with tempfile.TemporaryDirectory() as scratch:
        repeat_files(args.images, Path(scratch), args.batch_size * NUM_BATCHES)
        arguments = [scratch, str(args.views), str(args.batch_size)]
        processes = [start(tree.resolve(), arguments) for tree in (REPOSITORY, args.other)]
        for number in range(args.rounds):
            for which in (0, 1) if number % 2 else (1, 0):
                measured[number, which] = take_turn(processes[which], args.seconds)
        for process in processes:
            process.kill()
            process.wait()
    workload = f"{args.images.name}, {args.views} views of 224², batches of {args.batch_size}"
    rows = []
    for which, provider in enumerate(("gca_dali", f"gca_dali at {commit}")):
        rates = list(measured[:, which, 0])
        rows.append(make_row(("load", provider, workload), "throughput", "images/s", rates))
    ratios = measured[:, 0] / measured[:, 1]
    names = ("load", f"gca_dali over {commit}", workload)
    rows.append(make_row(names, "throughput ratio", "", list(ratios[:, 0])))
    rows.append(make_row(names, "processor time ratio of its own", "", list(ratios[:, 1])))
    write_rows(args.out, rows)
    error = ratios[:, 0].std(ddof=1) / len(ratios) ** 0.5
    low, middle, high = np.quantile(ratios[:, 0], (0.2, 0.5, 0.8))
    print(f"{workload}: {middle:.3f} [{low:.3f}, {high:.3f}] of {commit}, mean's error {error:.3f}")


if __name__ == "__main__":
    main()
