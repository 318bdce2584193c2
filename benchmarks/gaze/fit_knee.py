"""Fit the bundled knee predictor on a simulated study and score it on 200 other patients.

Enters: the OAI knees (a CSV with path, label, split, patient). Leaves: the predictor with its card
and a JSON of results. Simulated gaze throughout: nobody looked at these images.

    python benchmarks/gaze/fit_knee.py DATA/knee/labels.csv
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
import torch

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.augment import Augmentation
from gca_dali.gaze.bulk import draw_maps, simulate_knees
from gca_dali.gaze.evaluate import Evaluation, evaluate_maps
from gca_dali.gaze.examples import load_examples
from gca_dali.gaze.fit import fit_predictor
from gca_dali.gaze.map_folder import MapFolder
from gca_dali.gaze.maps import MapSettings
from gca_dali.gaze.network import NetworkConfig
from gca_dali.gaze.report import write_report
from gca_dali.gaze.scoring import score_predictor
from gca_dali.gaze.study import draw_study
from gca_dali.gaze.training import Epoch, FitSettings

REPOSITORY = Path(__file__).resolve().parents[2]
NUM_TEST_PATIENTS = 200
STUDY_SEED, TEST_SEED, SECOND_SEED = 0, 1, 2
DATA = (
    "354 knee radiographs (154/55/81/40/24 of KL grade 0–4) of training patients of the "
    "Osteoarthritis Initiative, from P. Chen, *Knee Osteoarthritis Severity Grading Dataset*, "
    "Mendeley Data 2018, doi 10.17632/56rmx5bjcr.1, CC BY 4.0. The gaze is simulated from the "
    "joint line that is found in each image (`gca-dali gaze simulate --reader knee --study`)."
)


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path, help="labels.csv of the knees")
    parser.add_argument("--work", type=Path, default=Path("knee_study"), help="maps and state")
    parser.add_argument("--predictor", type=Path, help="where to write it; the package by default")
    parser.add_argument("--result", type=Path, help="JSON of results")
    parser.add_argument("--input-px", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    predictor_path = options.predictor or REPOSITORY / "gca_dali" / "gaze" / "knee.safetensors"
    result_path = options.result or REPOSITORY / "benchmarks" / "results" / "gaze_knee.json"
    options.work.mkdir(parents=True, exist_ok=True)

    manifest = Manifest.from_csv(options.labels)
    study = manifest.take(draw_study(manifest.label, manifest.columns["split"], seed=STUDY_SEED))
    test = pick_test_patients(manifest)
    shared = set(study.patient.tolist()) & set(test.patient.tolist())
    if shared:
        raise RuntimeError(f"study and test must share no patient, got {len(shared)}.")
    maps = make_maps(study, STUDY_SEED, options.work / "study")
    test_maps = make_maps(test, TEST_SEED, options.work / "test")
    second = make_maps(test, SECOND_SEED, options.work / "test_second")

    settings = FitSettings(
        network=NetworkConfig(input_px=options.input_px),
        augmentation=Augmentation(flip=True),
        num_epochs=options.epochs,
    )
    start, start_cpu = time.perf_counter(), time.process_time()
    found = fit_predictor(
        study, maps, settings, state_path=options.work / "state.safetensors", on_epoch=show_epoch
    )
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    found.predictor.save(predictor_path)
    evaluation = score_predictor(found.predictor, test, test_maps)
    summary = evaluation.as_dict()
    write_report(found, predictor_path, title="Knee gaze predictor", data=DATA, evaluation=summary)
    if options.predictor is None:
        # The package holds no pictures.
        predictor_path.with_suffix(".png").replace(REPOSITORY / "docs" / "gaze_knee.png")
    result = {
        "benchmark": "gaze_knee",
        "simulated": True,
        "study_maps": len(maps),
        "test_patients": len(test),
        "fit_seconds": round(seconds, 1),
        "fit_cpu_seconds": round(cpu_seconds, 1),
        "device": f"{found.predictor.device}, {torch.get_num_threads()} threads",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, shared with other jobs",
        "torch": torch.__version__,
        "predictor_bytes": predictor_path.stat().st_size,
        "fingerprint": found.predictor.fingerprint,
        "facts": found.predictor.facts.settings,
        "best_epoch": found.best_epoch + 1,
        "history": [[epoch.training_loss, epoch.kld, epoch.cc] for epoch in found.history],
        "test": summary,
        "second_reading": score_second(test, test_maps, second).as_dict()["scores"],
    }
    result_path.parent.mkdir(parents=True, exist_ok=True)
    result_path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary["gains"], indent=1))


def pick_test_patients(manifest: Manifest) -> Manifest:
    """Draw 200 patients of the test split and one knee of each."""
    test = manifest.where(split="test")
    rng = np.random.default_rng(7)
    chosen = rng.choice(np.unique(test.patient), NUM_TEST_PATIENTS, replace=False)
    rows = [rng.choice(np.flatnonzero(test.patient == patient)) for patient in chosen]
    return test.take(np.sort(rows))


def make_maps(rows: Manifest, seed: int, folder: Path) -> MapFolder:
    """Simulate readings and draw their maps, unless they are there."""
    if (folder / "index.json").is_file():
        return MapFolder.open(folder)
    return draw_maps(simulate_knees(rows, seed), rows, MapSettings(), folder)[0]


def score_second(rows: Manifest, maps: MapFolder, second: MapFolder) -> Evaluation:
    """Score a second simulated reading of the same images: how far readings agree at all."""
    first, other = (load_examples(rows, folder, 32, 64) for folder in (maps, second))
    both = np.intersect1d(first.path, other.path)
    a, b = (part.take(np.flatnonzero(np.isin(part.path, both))) for part in (first, other))
    sources = {"second reading": b.maps, "mean map": a.maps.mean(0)}
    return evaluate_maps(sources, a.maps, a.path, groups=a.patient)


def show_epoch(number: int, epoch: Epoch) -> None:
    """Print the scores of an epoch."""
    print(
        f"epoch {number + 1}: loss {epoch.training_loss:.3f}, held out KLD {epoch.kld:.3f}, "
        f"CC {epoch.cc:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
