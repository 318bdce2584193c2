"""What each arm's windows are like on the training knees; nothing is trained.

    python benchmarks/knee/audit_arms.py DATA/knee/labels.csv

Leaves benchmarks/results/knee_arms.json. Maps are predicted by a network that learned from
simulated gaze.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from arms import ARMS, UNTRAINED, build_arm
from cells import write_json
from crops import describe_crops
from knees import draw_training_rows, make_gaze_maps
from row import RESULTS, describe_commit

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.predictor import GazePredictor

SIZE_PX = 224


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path, help="labels.csv of the knees")
    parser.add_argument("--predictor", default="knee", help="gaze predictor; the bundled one")
    parser.add_argument("--work", type=Path, default=Path("knee_study"), help="maps")
    parser.add_argument("--num-images", type=int, default=2000, help="0 for all")
    options = parser.parse_args()

    manifest = Manifest.from_csv(options.labels)
    rows = manifest.take(draw_training_rows(manifest, options.num_images))
    predictor = GazePredictor.load(options.predictor)
    gaze = make_gaze_maps(predictor, rows, options.work)
    shapes = np.stack([rows.height, rows.width], axis=1)
    report = {
        "benchmark": "knee_arms",
        "simulated": predictor.facts.simulated,
        "predictor": predictor.fingerprint,
        "num_images": len(rows),
        "commit": describe_commit(),
        "arms": {},
    }
    for name in ARMS:
        if name != UNTRAINED:
            arm = build_arm(name, gaze, shapes, SIZE_PX)
            report["arms"][name] = describe_crops(arm.policy, arm.maps, gaze, shapes, 0)
    write_json(RESULTS / "knee_arms.json", report)


if __name__ == "__main__":
    main()
