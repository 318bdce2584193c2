"""How long a training step waits for the loader: SimCLR, ResNet-50, bfloat16, batch 256.

`python -m benchmarks.device.step OUT.json WORK [--images FOLDER]`. The stall is the share of the
time of a step with the loader that the same step on one fixed batch does not take, measured in
turn: from a resident set of 512 × 512, and from JPEGs that are decoded on the way.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy, normalize
from torchvision.models import resnet50

from benchmarks.device.images import open_images
from benchmarks.device.timing import gpu_row
from benchmarks.row import write_rows
from gca_dali.loader import GCALoader
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.report.workload import Workload
from gca_dali.steps.batch import ViewBatch

BATCH, TEMPERATURE, STEPS, ROUNDS = 256, 0.1, 12, 4
POLICY = ViewPolicy.gca(channels=3, dtype="bfloat16")


def make_step() -> Callable[[ViewBatch], None]:
    """Return a step of SimCLR: forward, NT-Xent, backward, update."""
    network = resnet50(num_classes=128).cuda().to(memory_format=torch.channels_last)  # type: ignore
    optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    partner = torch.arange(2 * BATCH, device="cuda").roll(BATCH)
    itself = torch.eye(2 * BATCH, dtype=torch.bool, device="cuda")

    def step(batch: ViewBatch) -> None:
        views = torch.cat(batch.views).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cuda", torch.bfloat16):
            embedding = network(views)
        embedding = normalize(embedding.float())
        similarity = (embedding @ embedding.T / TEMPERATURE).masked_fill(itself, -torch.inf)
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(similarity, partner).backward()
        optimiser.step()

    return step


def run_forever(loader: GCALoader) -> Iterator[ViewBatch]:
    """Yield batches, epoch after epoch."""
    while True:
        yield from loader


def time_steps(step: Callable[[ViewBatch], None], batches: Iterator[ViewBatch]) -> float:
    """Return the seconds of a step, from the request of the first batch to the end of the last."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(STEPS):
        step(next(batches))
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / STEPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--images", type=Path)
    given = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    small, files = open_images(None, given.work, 512), open_images(given.images, given.work)
    step = make_step()
    for name, manifest, resident in (("resident", small, True), ("files", files, False)):
        loader = GCALoader(
            Workload(manifest, batch_size=32).repeated(),
            POLICY,
            saliency="centre",
            batch_size=BATCH,
            device="cuda",
            resident=resident,
        )
        batches = run_forever(loader)
        fixed = repeat(next(batches))
        for _ in range(3):
            step(next(batches))
        alone, fed = [], []
        for _ in range(ROUNDS):
            alone.append(time_steps(step, fixed))
            fed.append(time_steps(step, batches))
        stalls = [1 - mine / theirs for mine, theirs in zip(alone, fed, strict=True)]
        names = ("step", name, f"ResNet-50, SimCLR, bfloat16, channels last, batch {BATCH}")
        rows = [
            gpu_row(names, "time per step", "ms", [1e3 * s for s in fed]),
            gpu_row(names, "time per step on a fixed batch", "ms", [1e3 * s for s in alone]),
            gpu_row(names, "stall", "", stalls),
        ]
        write_rows(given.out, rows)


if __name__ == "__main__":
    main()
