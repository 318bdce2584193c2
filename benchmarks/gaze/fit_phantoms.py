"""Fit a predictor on chest phantoms with lesions at random places and score it on others.

Enters: nothing; phantoms are made. Leaves: the predictor, predicted maps of the test phantoms for
the audit, and a JSON of results. Simulated gaze throughout.

    python benchmarks/gaze/fit_phantoms.py --work phantom_study
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.augment import Augmentation
from gca_dali.gaze.bulk import predict_maps
from gca_dali.gaze.fit import fit_predictor
from gca_dali.gaze.map_folder import MapFolder
from gca_dali.gaze.network import NetworkConfig
from gca_dali.gaze.report import write_report
from gca_dali.gaze.scoring import score_predictor
from gca_dali.gaze.training import Epoch, FitSettings
from gca_dali.phantoms import write_phantoms

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = "Chest phantoms of the package (`gca_dali.phantoms`), lesions at random places."


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("phantom_study"))
    parser.add_argument("--num-images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--input-px", type=int, default=128)
    parser.add_argument("--result", type=Path, help="JSON of results")
    options = parser.parse_args()
    folder = options.work / "phantoms"
    if not (folder / "maps" / "index.json").is_file():
        write_phantoms(folder, options.num_images, kind="chest", height=256, width=256)
    manifest = Manifest.from_csv(folder / "labels.csv")
    maps = MapFolder.open(folder / "maps")
    training, test = manifest.where(split="train"), manifest.where(split="test")
    settings = FitSettings(
        network=NetworkConfig(input_px=options.input_px),
        augmentation=Augmentation(flip=True),
        num_epochs=options.epochs,
    )
    start, start_cpu = time.perf_counter(), time.process_time()
    found = fit_predictor(
        training, maps, settings, state_path=options.work / "state.safetensors", on_epoch=show_epoch
    )
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    path = options.work / "phantom.safetensors"
    found.predictor.save(path)
    evaluation = score_predictor(found.predictor, test, maps, folder / "fixations.csv")
    summary = evaluation.as_dict()
    write_report(found, path, title="Phantom gaze predictor", data=DATA, evaluation=summary)
    predict_maps(found.predictor, test, options.work / "predicted")
    ill = np.isin(evaluation.path, test.path[test.label == 1])
    cc = evaluation.scores["predictor"]["cc"]
    result = {
        "benchmark": "gaze_phantoms",
        "simulated": True,
        "training_maps": found.predictor.facts.num_maps,
        "fit_seconds": round(seconds, 1),
        "fit_cpu_seconds": round(cpu_seconds, 1),
        "device": f"{found.predictor.device}, {torch.get_num_threads()} threads",
        "facts": found.predictor.facts.settings,
        "history": [[epoch.training_loss, epoch.kld, epoch.cc] for epoch in found.history],
        "test": summary,
        "cc_with_lesions": float(cc[ill].mean()),
        "cc_without_lesions": float(cc[~ill].mean()),
    }
    result_path = options.result or REPOSITORY / "benchmarks" / "results" / "gaze_phantoms.json"
    result_path.parent.mkdir(parents=True, exist_ok=True)
    result_path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary["scores"]["predictor"], indent=1))


def show_epoch(number: int, epoch: Epoch) -> None:
    """Print the scores of an epoch."""
    print(f"epoch {number + 1}: held out KLD {epoch.kld:.3f}, CC {epoch.cc:.3f}", flush=True)


if __name__ == "__main__":
    main()
