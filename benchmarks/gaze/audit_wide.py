"""Windows of policies on wide maps: their area, overlap and the saliency they hold.

Enters: X-rays without lesion boxes, a saliency source (`knee`, the bundled predictor, or `centre`).
Leaves: `benchmarks/results/audit_NAME.json`. Nothing is decoded but what has to be predicted.

    python benchmarks/gaze/audit_wide.py DATA/knee/labels.csv --saliency knee --name knee
    python benchmarks/gaze/audit_wide.py DATA/chest --saliency centre --name chest
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from gca_dali.cli.saliency_option import choose_saliency
from gca_dali.data.manifest import Manifest
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.report.overlap import PlacedWindows
from gca_dali.steps.saliency import load_saliency
from gca_dali.steps.windows import plan_views

POLICIES = {
    name: ViewPolicy.preset(name)
    for name in ("random", "gca", "gca_relative", "gca_focus", "gca_hold")
} | {f"gca_max_iou_{cap}": ViewPolicy.gca(max_iou=cap) for cap in (0.8, 0.7, 0.6)}
NUM_WINDOWS = 40_000
RESULTS = Path(__file__).resolve().parents[1] / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--saliency", required=True, help="knee, centre, …")
    parser.add_argument("--name", required=True, help="of the result: audit_NAME.json")
    parser.add_argument("--num-images", type=int, default=400, help="spread over the rows")
    options = parser.parse_args()
    manifest = Manifest.open(options.manifest)
    num_images = min(options.num_images, len(manifest))
    manifest = manifest.take(np.linspace(0, len(manifest) - 1, num_images).astype(int))
    chosen = choose_saliency(options.saliency, None, manifest)
    table = load_saliency(chosen.source, manifest, keep=False)
    rows = np.arange(num_images)
    maps = table.take(rows, [manifest.read(row) for row in rows])
    shapes = np.stack([manifest.height, manifest.width], axis=1)
    num_draws = -(-NUM_WINDOWS // (2 * num_images))
    result = {
        "benchmark": f"audit_{options.name}",
        "saliency": chosen.told,
        "images": num_images,
        "draws": num_draws,
        "policies": {name: count(one, maps, shapes, num_draws) for name, one in POLICIES.items()},
    }
    text = json.dumps(result, indent=1) + "\n"
    (RESULTS / f"audit_{options.name}.json").write_text(text, encoding="utf-8")
    print(text)


def count(
    policy: ViewPolicy, maps: np.ndarray, shapes: np.ndarray, num_draws: int
) -> dict[str, float]:
    """Return means over images, views (or pairs of them) and draws."""
    found = []
    for draw in range(num_draws):
        plan = plan_views(maps, np.arange(len(maps)), shapes, (0, draw), policy)
        placed = PlacedWindows.from_plan(plan, shapes, policy)
        values = (placed.area(), placed.pair_iou(), plan.retained, plan.grown)
        found.append([value.mean() for value in values])
    names = ("mean_area", "mean_pair_iou", "mean_retained", "grown")
    return dict(zip(names, np.mean(found, axis=0).tolist(), strict=True))


if __name__ == "__main__":
    main()
