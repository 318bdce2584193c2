"""Lesions kept by the same policy with maps of different sources: predicted, mean, centre, boxes.

Enters: a manifest, its lesion boxes and a predictor that never saw its test split. Leaves: a JSON
of the audit of `gca` and `gca_hold`, of the lesions that `gca_hold` keeps at equal window area (a
wide map grows its windows, and large windows keep anything), and of how much of each source's
saliency lies on the lesions. Simulated gaze.

    python benchmarks/gaze/audit_sources.py DATA/dental/images.csv DATA/dental/boxes.csv \
        dental_study/dental.safetensors --name dental
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from gca_dali.data.manifest import Manifest
from gca_dali.gaze.box_maps import box_maps
from gca_dali.gaze.boxes import ImageBoxes, read_boxes_csv
from gca_dali.gaze.predictor import GazePredictor
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.prepare.fill import open_filled
from gca_dali.report.audit import audit_policies
from gca_dali.steps.saliency import SaliencySource, load_saliency

HOLD_TAU = 0.92
TAUS = (0.3, 0.6, 0.8, HOLD_TAU)
EQUAL_AREA = 0.545
REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path, help="CSV with a column split")
    parser.add_argument("boxes", type=Path, help="CSV with path,x,y,w,h")
    parser.add_argument("predictor", type=Path)
    parser.add_argument("--name", required=True, help="of the result: gaze_audit_NAME.json")
    options = parser.parse_args()
    test = Manifest.from_csv(options.manifest).where(split="test")
    boxes = read_boxes_csv(options.boxes, test)
    rows = np.flatnonzero([len(image.lesions) > 0 for image in boxes])
    test, boxes = test.take(rows), [boxes[row] for row in rows]
    predictor = GazePredictor.load(options.predictor)

    every = (len(test), *predictor.mean_map.shape)
    sources: dict[str, SaliencySource] = {
        "boxes": box_maps(test, boxes),
        "predicted": open_filled(predictor, test),
        "mean map": np.broadcast_to(predictor.mean_map, every),
        "centre": "centre",
    }
    random = audit_policies(test, boxes, "centre", {"random": ViewPolicy.random()})
    result = {
        "benchmark": f"gaze_audit_{options.name}",
        "simulated": True,
        "images": random.num_images,
        "lesions": random.num_lesions,
        "draws": random.num_draws,
        "predictor": predictor.fingerprint,
        "random": random.policies["random"].to_dict(),
        "gca": {},
        "gca_hold": {},
        "equal_area": EQUAL_AREA,
        "gca_hold_kept_at_equal_area": {},
        "share_of_mass_on_lesions": {},
        "area_of_lesions": lesion_share(np.ones((len(test), 64, 64)), test, boxes),
    }
    for name, source in sources.items():
        policies = {f"{tau}": ViewPolicy.gca_hold(tau=tau) for tau in TAUS}
        found = audit_policies(test, boxes, source, policies | {"gca": ViewPolicy.gca()}).policies
        result["gca"][name] = found.pop("gca").to_dict()
        result["gca_hold"][name] = found[f"{HOLD_TAU}"].to_dict()
        areas, kept = zip(*((one.mean_area, one.kept) for one in found.values()), strict=True)
        inside = areas[0] <= EQUAL_AREA <= areas[-1]
        result["gca_hold_kept_at_equal_area"][name] = (
            float(np.interp(EQUAL_AREA, areas, kept)) if inside else None
        )
        maps = load_saliency(source, test).take(np.arange(len(test)))
        result["share_of_mass_on_lesions"][name] = lesion_share(maps, test, boxes)
    path = REPOSITORY / "benchmarks" / "results" / f"gaze_audit_{options.name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def lesion_share(maps: np.ndarray, rows: Manifest, boxes: list[ImageBoxes]) -> float:
    """Return the share of a map's mass that lies in a lesion's box, mean over lesions."""
    shares = []
    for saliency, height, width, image in zip(maps, rows.height, rows.width, boxes, strict=True):
        for y, x, tall, wide in image.lesions:
            inside_y = overlap(y / height, (y + tall) / height, len(saliency))
            inside_x = overlap(x / width, (x + wide) / width, saliency.shape[1])
            shares.append(inside_y @ saliency.astype(float) @ inside_x / saliency.sum())
    return float(np.mean(shares))


def overlap(start: float, stop: float, num_cells: int) -> np.ndarray:
    """Return the share of each cell that lies between two shares of a side."""
    edges = np.arange(num_cells + 1) / num_cells
    inside = np.minimum(stop, edges[1:]) - np.maximum(start, edges[:-1])
    return np.clip(inside, 0, None) * num_cells


if __name__ == "__main__":
    main()
