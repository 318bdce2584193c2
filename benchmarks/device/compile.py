"""Compile every kernel once, CUDA's and the CPU's, so that no part after this one has to.

`python -m benchmarks.device.compile OUT.json WORK` writes the seconds of each. Both kinds are kept
on disk.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.device.images import open_images
from benchmarks.device.timing import gpu_row
from benchmarks.row import write_rows
from gca_dali.loader import GCALoader
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali_kernels.launch import load_kernel
from gca_dali_kernels.render_views import SOURCES

PROGRAMS = [("integrate_maps", ""), ("sample_windows", ""), ("sample_cutouts", "")]
PROGRAMS += [("render_views", source) for source in SOURCES.values()]
PRESETS = ("gca", "gca_paper", "focus_contrast", "contrastive_crop")


def compile_for_cpu(work: Path) -> None:
    """Make one batch of several presets on the CPU."""
    manifest = open_images(None, work, 512)
    for name in PRESETS:
        policy = ViewPolicy.preset(name)
        next(iter(GCALoader(manifest, policy, saliency="centre", batch_size=4, device="cpu")))


def seconds_of(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("work", type=Path)
    given = parser.parse_args()
    for kernel, source in PROGRAMS:
        seconds = seconds_of(lambda kernel=kernel, source=source: load_kernel(kernel, source, 0))
        names = ("compile", "cuda", f"{kernel} {source}".strip())
        write_rows(given.out, [gpu_row(names, "time", "s", [seconds])])
    seconds = seconds_of(lambda: compile_for_cpu(given.work))
    names = ("compile", "cpu", "one batch of " + ", ".join(PRESETS))
    write_rows(given.out, [gpu_row(names, "time", "s", [seconds])])


if __name__ == "__main__":
    main()
