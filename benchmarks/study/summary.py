"""Make the tables and figures of the knee study from its cells, and put them into its README.

    python benchmarks/knee/summary.py

Enters: benchmarks/results/knee_*/. Leaves: benchmarks/knee/README.md between its marks, and
benchmarks/knee/figures/.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from arms import ARMS
from figures import draw_differences
from results import Estimate, Results
from row import RESULTS

HERE = Path(__file__).resolve().parent
BASE = "random"


def main() -> None:
    """Write tables and figures of every study that has a cell."""
    tables = {"knee_arms": "\n".join(arms_table(RESULTS / "knee_arms.json"))}
    for folder in sorted(RESULTS.glob("knee_*/")):
        results = Results.read(folder)
        for method in results.methods():
            name = f"{folder.name}-{method}"
            tables[name] = "\n\n".join(
                "\n".join(part) for part in make_tables(results, method) if part
            )
            path = HERE / "figures" / f"{name}.png"
            draw_differences(results, method, BASE, order_arms(results, method), path)
    readme = HERE / "README.md"
    readme.write_text(fill(readme.read_text(encoding="utf-8"), tables), encoding="utf-8")


def fill(text: str, tables: dict[str, str]) -> str:
    """Return the text with each table between its marks made anew."""
    for name, table in tables.items():
        mark = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = mark.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    return text


def make_tables(results: Results, method: str) -> list[list[str]]:
    """Return the tables of a method: for each mode accuracies and differences."""
    arms = order_arms(results, method)
    tables = []
    for mode in ("linear", "finetune"):
        fractions = find_fractions(results, mode)
        if fractions:
            tables.append(accuracy_table(results, method, arms, mode, fractions))
            tables.append(difference_table(results, method, arms, mode, fractions))
    return tables


def order_arms(results: Results, method: str) -> list[str]:
    """Return the arms that were run, in the order of `ARMS`."""
    return sorted(results.arms(method), key=ARMS.index)


def find_fractions(results: Results, mode: str) -> list[str]:
    """Return the fractions that some cell was judged at, ascending."""
    return sorted({name for cell in results.cells for name in cell.get(mode, ())}, key=float)


def arms_table(path: Path) -> list[str]:
    """Return the windows of all arms, as `audit_arms.py` found them."""
    found = json.loads(path.read_text(encoding="utf-8"))["arms"]
    lines = [
        "| arm | window area | gaze in the window | < 0.9 of it | overlap of two | enlarged |",
        "|---|---|---|---|---|---|",
    ]
    for arm, numbers in found.items():
        names = ("area", "retained", "below_0.9", "pair_iou", "grown")
        lines.append(f"| `{arm}` | " + " | ".join(f"{numbers[n]:.2f}" for n in names) + " |")
    return lines


def accuracy_table(
    results: Results, method: str, arms: list[str], mode: str, fractions: list[str]
) -> list[str]:
    published = read_published(mode)
    shares = [f"{100 * float(name):g} %" for name in fractions]
    lines = [
        f"| {mode}, accuracy in % | seeds | window area, gaze in it, overlap | "
        + " | ".join(f"{share} of the labels" for share in shares)
        + " | MAE of the grade, "
        + shares[-1]
        + " | published, "
        + " / ".join(shares)
        + " |",
        "|---|---|---|" + "---|" * (len(fractions) + 2),
    ]
    for arm in arms:
        found = [results.estimate("accuracy", arm, method, (mode, name)) for name in fractions]
        grade = results.estimate("mae", arm, method, (mode, fractions[-1]))
        seeds = max((item.num_seeds for item in found if item), default=0)
        theirs = " / ".join(
            f"{published[arm][name]:.2f}" if name in published.get(arm, ()) else "–"
            for name in fractions
        )
        crops = [results.crop(arm, method, name) for name in ("area", "retained", "pair_iou")]
        shown = "–" if np.isnan(crops[0]) else ", ".join(f"{value:.2f}" for value in crops)
        cells = [str(seeds), shown, *(tell(item, 100) for item in found), tell(grade), theirs]
        lines.append(f"| `{arm}` | " + " | ".join(cells) + " |")
    return lines


def difference_table(
    results: Results, method: str, arms: list[str], mode: str, fractions: list[str]
) -> list[str]:
    shares = [f"{100 * float(name):g} %" for name in fractions]
    lines = [
        f"| {mode}, points of accuracy over `{BASE}` | " + " | ".join(shares) + " |",
        "|---|" + "---|" * len(fractions),
    ]
    for arm in arms:
        if arm != BASE:
            found = [
                results.estimate("accuracy", arm, method, (mode, name), BASE) for name in fractions
            ]
            lines.append(
                f"| `{arm}` | " + " | ".join(tell(item, 100, "+") for item in found) + " |"
            )
    return lines


def tell(item: Estimate | None, scale: float = 1, sign: str = "") -> str:
    """Write a value and its interval; bold where a difference is beyond zero."""
    if item is None:
        return "–"
    digits = 1 if scale > 1 else 3
    value, low, high = (
        f"{scale * number:{sign}.{digits}f}" for number in (item.value, item.low, item.high)
    )
    if sign and item.is_beyond_zero:
        value = f"**{value}**"
    return f"{value} [{low}, {high}]"


def read_published(mode: str) -> dict[str, dict[str, float]]:
    """Return the published accuracies by arm and fraction."""
    published = json.loads((HERE / "published.json").read_text(encoding="utf-8"))
    names = [f"{share:g}" for share in published["fractions"]]
    return {arm: dict(zip(names, row, strict=True)) for arm, row in published[mode].items()}


if __name__ == "__main__":
    main()
