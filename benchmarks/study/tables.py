"""The tables of the study as Markdown.

Enters: `Results` and the plan. Leaves: lines. Next: `summary` puts them into the README.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from results import Estimate, Results, adjust

BASE = "random"


def planned_table(results: Results, plan: dict[str, Any], level: float) -> list[str]:
    """Return the planned comparisons; with p, corrected for their number, when all are run."""
    judged = (plan["mode"], plan["fraction"])
    found = [
        (
            pair,
            results.estimate(plan["measure"], pair["arm"], plan["method"], judged, pair["against"]),
        )
        for pair in plan["comparisons"]
    ]
    done = [(pair, item) for pair, item in found if item is not None]
    is_whole = [item.num_seeds for _, item in done] == [len(plan["seeds"])] * len(found)
    corrected = adjust([item.p for _, item in done])
    lines = [
        "| planned comparison | asks | seeds | difference of AUC | p, Holm |",
        "|---|---|---|---|---|",
    ]
    for (pair, item), p in zip(done, corrected, strict=True):
        shown = tell(item, "+", is_whole and p < level)
        tested = f"{p:.3f}" if is_whole else "–"  # nothing is told before
        cells = (_name(pair), pair["asks"], str(item.num_seeds), shown, tested)
        lines.append(f"| {' | '.join(cells)} |")
    missing = [_name(pair) for pair, item in found if item is None]
    return lines + ([f"\nNot run yet: {', '.join(missing)}."] if missing else [])


def value_table(results: Results, method: str, arms: list[str], mode: str) -> list[str]:
    """Return every arm's windows and measures, one row each."""
    fractions = find_fractions(results, mode)
    shares = [f"{100 * float(name):g} %" for name in fractions]
    measures = ["auc"] if results.grade.max() == 1 else ["auc", "kappa"]
    heads = [f"{_NAMES[name]}, {share}" for name in measures for share in shares]
    heads.append(f"accuracy, {shares[-1]}")
    lines = [
        f"| {mode}, {method} | seeds | area, gaze held, overlap | " + " | ".join(heads) + " |",
        "|---|---|---|" + "---|" * len(heads),
    ]
    for arm in arms:
        cells = [
            results.estimate(measure, arm, method, (mode, fraction))
            for measure in measures
            for fraction in fractions
        ]
        cells.append(results.estimate("accuracy", arm, method, (mode, fractions[-1])))
        seeds = max((item.num_seeds for item in cells if item), default=0)
        crops = [results.crop(arm, method, name) for name in ("area", "retained", "pair_iou")]
        shown = "–" if np.isnan(crops[0]) else ", ".join(f"{value:.2f}" for value in crops)
        row = [str(seeds), shown, *(tell(item) for item in cells)]
        lines.append(f"| `{arm}` | " + " | ".join(row) + " |")
    return lines


def difference_table(results: Results, method: str, arms: list[str], mode: str) -> list[str]:
    """Return every arm's differences to `BASE`; bold where the interval leaves zero out."""
    fractions = find_fractions(results, mode)
    measures = ["auc"] if results.grade.max() == 1 else ["auc", "kappa"]
    columns = [(measure, fraction) for measure in measures for fraction in fractions]
    heads = [f"{_NAMES[measure]}, {100 * float(fraction):g} %" for measure, fraction in columns]
    lines = [
        f"| over `{BASE}`, not corrected | " + " | ".join(heads) + " |",
        "|---|" + "---|" * len(heads),
    ]
    for arm in arms:
        if arm != BASE:
            found = [
                results.estimate(measure, arm, method, (mode, fraction), BASE)
                for measure, fraction in columns
            ]
            row = [tell(item, "+", item is not None and item.is_beyond_zero) for item in found]
            lines.append(f"| `{arm}` | " + " | ".join(row) + " |")
    return lines


def published_table(published: dict[str, Any]) -> list[str]:
    """Return the paper's accuracies."""
    shares = [f"{100 * share:g} %" for share in published["fractions"]]
    lines = ["| published, accuracy in % | " + " | ".join(shares) + " |"]
    lines.append("|---|" + "---|" * len(shares))
    for mode in ("linear", "finetune"):
        for arm, row in published[mode].items():
            shown = " | ".join(f"{value:.2f}" for value in row)
            lines.append(f"| {mode}, `{arm}` | {shown} |")
    return lines


def find_fractions(results: Results, mode: str) -> list[str]:
    """Return the fractions that some cell was judged at, ascending."""
    return sorted({name for cell in results.cells for name in cell.get(mode, ())}, key=float)


def tell(item: Estimate | None, sign: str = "", bold: bool = False) -> str:
    """Write a value and its interval."""
    if item is None:
        return "–"
    value, low, high = (f"{number:{sign}.3f}" for number in (item.value, item.low, item.high))
    return f"{f'**{value}**' if bold else value} [{low}, {high}]"


def _name(pair: dict[str, str]) -> str:
    return f"`{pair['arm']}` − `{pair['against']}`"


_NAMES = {"auc": "AUC", "kappa": "kappa"}
