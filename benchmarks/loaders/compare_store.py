"""Views from stores against views from the originals with the same keys, into `store_views.json`.

`python -m benchmarks.loaders.compare_store DATA` prepares stores of the chest JPEGs and of the
16-bit originals in DATA and gives, per encoding, the PSNR of the views (dB, on 0 to 1) under plain
crops, and under the policy `gca` as it is trained with.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.loaders.store_cases import make_store, take_jpegs
from gca_dali.data.manifest import Manifest
from gca_dali.loader import GCALoader
from gca_dali.policy.group import ViewGroup
from gca_dali.policy.parts import Crop
from gca_dali.policy.view_policy import ViewPolicy
from gca_dali.store.encoding import BITS

RESULT = Path(__file__).resolve().parents[1] / "results" / "store_views.json"
SHORTER_SIDE = 512


def plain_crops(size: int) -> ViewPolicy:
    """Return crops of area 0.2 to 1 that hold 0.9 of the saliency, and nothing else."""
    crop = Crop("hold", tau=0.9, weight=1)
    return ViewPolicy(groups=(ViewGroup(crop=crop, size=size),))


def compare_views(
    originals: Manifest, store: Manifest, policy: ViewPolicy, num_epochs: int = 2
) -> np.ndarray:
    """Return the PSNR of each view, dB, [epochs × images × 2]; windows must be equal.

    Raises
    ------
    RuntimeError
        If a window differs.
    """
    loaders = [
        GCALoader(
            rows,
            policy,
            saliency="centre",
            batch_size=1,
            device="cpu",
            num_threads=1,
            drop_last=False,
        )
        for rows in (originals, store)
    ]
    found = []
    for _ in range(num_epochs):
        for first, second in zip(*loaders, strict=True):
            if not (
                torch.equal(first.windows, second.windows)
                and torch.equal(first.retained, second.retained)
            ):
                raise RuntimeError("windows must be equal, got others from the store.")
            for a, b in zip(first.views, second.views, strict=True):
                error = ((a - b) * policy.deviation).double().square().mean().item()
                found.append(-10 * np.log10(max(error, 1e-12)))
    return np.array(found)


def take_deep(data: Path) -> Manifest:
    """Return the X-rays of more than 8 bits: PNG16, TIFF16 and DICOM, read without fault."""
    kept = Manifest.from_folder(data / "formats")
    return kept.take(np.flatnonzero(kept.bits > 8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with chest/ and formats/")
    parser.add_argument("--size", type=int, default=224, help="side of a view in pixels")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    policies = {"plain crops": plain_crops(args.size), "gca": ViewPolicy.gca(size=args.size)}
    result: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, originals in (("chest", take_jpegs(args.data)), ("deep", take_deep(args.data))):
            for encoding in BITS:
                folder = Path(scratch) / name / encoding
                folder.parent.mkdir(exist_ok=True)
                store = make_store(originals, folder, encoding, SHORTER_SIDE)
                for told, policy in policies.items():
                    psnr_db = compare_views(originals, store, policy)
                    key = f"{name}, {encoding}, {told}"
                    low, middle = np.quantile(psnr_db, (0.0, 0.5)).round(2).tolist()
                    result[key] = {
                        "images": len(originals),
                        "views": len(psnr_db),
                        "least_psnr_db": low,
                        "median_psnr_db": middle,
                    }
                    print(key, result[key], flush=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
