"""Pre-train on 2,000 real knees in about an hour of two cores, and probe against no training.

Enters: the OAI knees (a CSV with path, label, split, patient). Leaves: a checkpoint, its logs and
a JSON of the probe's accuracy with intervals, beside those of the same network untrained.

    python benchmarks/knee/pretrain_small.py DATA/knee/labels.csv

An interrupted run goes on with --resume.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from knees import draw_training_rows
from row import RESULTS, describe_commit, describe_cpu, describe_versions

from gca_dali.data.manifest import Manifest
from gca_dali.loader import GCALoader
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.ssl.config import PretrainConfig
from gca_dali.ssl.encoders import EncoderConfig
from gca_dali.ssl.pretrain import CHECKPOINT_NAME, pretrain
from gca_dali.ssl.probe import UNTRAINED, ProbeConfig, probe_checkpoint

SEED = 0
FRACTIONS = (0.1, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path, help="labels.csv of the knees")
    parser.add_argument("--out", type=Path, default=Path("knee_small"))
    parser.add_argument("--method", default="byol")
    parser.add_argument("--policy", default="gca")
    parser.add_argument("--saliency", default="centre")
    parser.add_argument("--num-images", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--size", type=int, default=96, help="side of a view in pixels")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--result", type=Path, default=RESULTS / "knee_pretrain_small.json")
    options = parser.parse_args()

    manifest = draw_images(Manifest.from_csv(options.labels), options.num_images)
    loader = GCALoader(
        manifest.where(split="train"),
        ViewPolicy.preset(options.policy, size=options.size),
        options.saliency,
        batch_size=options.batch_size,
        seed=SEED,
    )
    encoder = EncoderConfig.for_policy("resnet18", loader.policy)
    config = PretrainConfig(options.method, encoder=encoder, num_epochs=options.epochs, seed=SEED)
    checkpoint = options.out / CHECKPOINT_NAME
    start, start_cpu = time.perf_counter(), time.process_time()
    done = pretrain(loader, config, options.out, checkpoint if options.resume else None, show_step)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    if done.interrupted:
        sys.exit(f"\ninterrupted at step {done.num_steps}; --resume goes on")
    probe = probe_checkpoint(
        done.checkpoint, manifest, ProbeConfig(FRACTIONS, seed=SEED), UNTRAINED
    )
    report = {
        "benchmark": "knee_small",
        "workload": f"{len(loader.manifest)} knees, {options.policy}, saliency {options.saliency}",
        "config": asdict(config),
        "pretraining": done.numbers,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "probe": probe,
        "device": describe_cpu(),
        "versions": describe_versions(),
        "commit": describe_commit(),
    }
    options.result.parent.mkdir(parents=True, exist_ok=True)
    options.result.write_text(json.dumps(report, indent=1) + "\n")
    for name, scores in probe["fractions"].items():
        untrained = probe["against"]["fractions"][name]
        print(f"{name} of the labels: {tell(scores)}; untrained {tell(untrained)}")


def draw_images(manifest: Manifest, num_images: int) -> Manifest:
    """Keep the whole test split and about so many training images, of whole patients."""
    test = np.flatnonzero(manifest.columns["split"] == "test")
    drawn = draw_training_rows(manifest, num_images)
    return manifest.take(np.sort(np.concatenate([drawn, test])))


def show_step(num_done: int, num_steps: int, numbers: dict[str, float]) -> None:
    if numbers:
        told = f"step {num_done} of {num_steps}, loss {numbers['loss']:.3f}"
        print(f"\r{told}, {numbers['images_per_second']:.1f} images/s ", end="", file=sys.stderr)


def tell(scores: dict) -> str:
    low, high = scores["accuracy_ci95"]
    return f"accuracy {scores['accuracy']:.3f} [{low:.3f}, {high:.3f}], MAE {scores['mae']:.3f}"


if __name__ == "__main__":
    main()
