"""Fit a predictor on simulated gaze from the boxes of the dental train split; predict the test one.

Enters: panoramic X-rays with `boxes.csv` and `images.csv` (path, split). Leaves: the predictor,
predicted maps of the test split, the mean map's folder and box maps for the audit, and a JSON of
scores. Simulated gaze throughout.

    python benchmarks/gaze/fit_dental.py DATA/dental --work dental_study
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.augment import Augmentation
from gca_dali.gaze.boxes import read_boxes_csv
from gca_dali.gaze.bulk import draw_maps, predict_maps, simulate_boxes
from gca_dali.gaze.fit import fit_predictor
from gca_dali.gaze.map_folder import MapFolder
from gca_dali.gaze.maps import MapSettings
from gca_dali.gaze.network import NetworkConfig
from gca_dali.gaze.report import write_report
from gca_dali.gaze.scoring import score_predictor
from gca_dali.gaze.training import Epoch, FitSettings

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = (
    "Panoramic X-rays of the Roboflow project dental-uispo (stated CC BY 4.0), train split of its "
    "images.csv. The gaze is simulated from the lesion boxes of that split."
)


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with images.csv and boxes.csv")
    parser.add_argument("--work", type=Path, default=Path("dental_study"))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--input-px", type=int, default=160)
    parser.add_argument("--result", type=Path, help="JSON of results")
    options = parser.parse_args()
    manifest = Manifest.from_csv(options.folder / "images.csv")
    maps = {
        split: make_maps(manifest.where(split=split), options.folder, seed, options.work / split)
        for seed, split in enumerate(("train", "test"))
    }
    settings = FitSettings(
        network=NetworkConfig(input_px=options.input_px),
        augmentation=Augmentation(flip=True),
        num_epochs=options.epochs,
    )
    start, start_cpu = time.perf_counter(), time.process_time()
    found = fit_predictor(
        manifest.where(split="train"),
        maps["train"],
        settings,
        state_path=options.work / "state.safetensors",
        on_epoch=show_epoch,
    )
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    path = options.work / "dental.safetensors"
    found.predictor.save(path)
    test = manifest.where(split="test")
    summary = score_predictor(found.predictor, test, maps["test"]).as_dict()
    write_report(found, path, title="Dental gaze predictor", data=DATA, evaluation=summary)
    predict_maps(found.predictor, test, options.work / "predicted")
    result = {
        "benchmark": "gaze_dental",
        "simulated": True,
        "training_maps": found.predictor.facts.num_maps,
        "fit_seconds": round(seconds, 1),
        "fit_cpu_seconds": round(cpu_seconds, 1),
        "device": f"{found.predictor.device}, {torch.get_num_threads()} threads",
        "facts": found.predictor.facts.settings,
        "history": [[epoch.training_loss, epoch.kld, epoch.cc] for epoch in found.history],
        "test": summary,
    }
    result_path = options.result or REPOSITORY / "benchmarks" / "results" / "gaze_dental.json"
    result_path.parent.mkdir(parents=True, exist_ok=True)
    result_path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary["gains"], indent=1))


def make_maps(rows: Manifest, data: Path, seed: int, folder: Path) -> MapFolder:
    """Simulate readings from the boxes and draw their maps, unless they are there."""
    if (folder / "index.json").is_file():
        return MapFolder.open(folder)
    fixations = simulate_boxes(rows, read_boxes_csv(data / "boxes.csv", rows), seed)
    return draw_maps(fixations, rows, MapSettings(), folder)[0]


def show_epoch(number: int, epoch: Epoch) -> None:
    """Print the scores of an epoch."""
    print(f"epoch {number + 1}: held out KLD {epoch.kld:.3f}, CC {epoch.cc:.3f}", flush=True)


if __name__ == "__main__":
    main()
