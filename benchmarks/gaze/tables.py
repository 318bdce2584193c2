"""Write the tables of docs/gaze.md from the result files: `python benchmarks/gaze/tables.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
METRICS = {"cc": "CC", "kld": "KLD ↓", "nss": "NSS"}


def score_table(result: dict[str, Any]) -> list[str]:
    test, other = result["test"], result["second_reading"]["second reading"]
    rows = ["| | " + " | ".join(METRICS.values()) + " |", "|---" * (len(METRICS) + 1) + "|"]
    sources = test["scores"] | {"second reading": other}
    sources |= {f"*{pair}, better by*": gain for pair, gain in test["gains"].items()}
    for name, scores in sources.items():
        cells = [cell(scores[metric]) if metric in scores else "" for metric in METRICS]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def cell(entry: dict[str, Any]) -> str:
    low, high = entry["ci95"]
    return f"{entry['mean']:.3f} ({low:.3f}…{high:.3f})"


def audit_table(result: dict[str, Any]) -> list[str]:
    rows = [
        f"| maps | lesions kept | mean area | kept at area {result['equal_area']} | "
        "mass on lesions |",
        "|---|---|---|---|---|",
    ]
    for name, one in result["gca_hold"].items():
        equal = result["gca_hold_kept_at_equal_area"][name]
        rows.append(
            f"| {name} | {one['kept']:.3f} | {one['mean_area']:.3f} | "
            f"{'—' if equal is None else format(equal, '.3f')} | "
            f"{result['share_of_mass_on_lesions'][name]:.3f} |"
        )
    random, area = result["random"], result["area_of_lesions"]
    rows.append(
        f"| *random windows* | {random['kept']:.3f} | {random['mean_area']:.3f} | — | {area:.3f} |"
    )
    counts = f"{result['images']} images with {result['lesions']} lesions"
    return [*rows, "", f"{counts}, {result['draws']} draws of two views each."]


TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], list[str]]]] = {
    "knee": ("gaze_knee.json", score_table),
    "phantoms": ("gaze_audit_phantoms.json", audit_table),
    "dental": ("gaze_audit_dental.json", audit_table),
}


def main() -> None:
    page = ROOT / "docs" / "gaze.md"
    text = page.read_text(encoding="utf-8")
    for name, (file, make) in TABLES.items():
        if (RESULTS / file).is_file():
            lines = "\n".join(make(json.loads((RESULTS / file).read_text(encoding="utf-8"))))
            mark = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
            text = mark.sub(lambda found, lines=lines: f"{found[1]}{lines}\n{found[2]}", text)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
