"""Write the README's tables from the result files: `python benchmarks/plot.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PROFILED = ("loader", "decode_only", "plan_views", "make_views", "rest")


def audit_table(result: dict[str, Any]) -> list[str]:
    rows = [
        "| policy | lesions kept | pairs that share one | mean area | below tau | view overlap |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in result["policies"].items():
        names = ("kept", "pairs_share", "mean_area", "below_tau", "mean_pair_iou")
        numbers = (one[name] for name in names)
        rows.append(f"| `{name}` | " + " | ".join(f"{number:.3f}" for number in numbers) + " |")
    return rows


def loaders_table(result: dict[str, Any]) -> list[str]:
    rates = result["views_2"]["rates"]
    rows = ["| loader | images/s | of decode-only | 20th–80th percentile |", "|---|---|---|---|"]
    for name, mine in rates.items():
        ratios = [a / b for a, b in zip(mine, rates["decode_only"], strict=True)]
        fifths = quantiles(ratios, n=5, method="inclusive")
        rows.append(
            f"| {name} | {median(mine):.0f} | {median(ratios):.2f} | "
            f"{fifths[0]:.2f}–{fifths[-1]:.2f} |"
        )
    more = [f"V = {v}: {result[f'views_{v}']['ratio_to_decode_only']['gca']:.2f}" for v in (4, 8)]
    memory, steps = result["memory"], result["profile_ms"]
    spent = ", ".join(f"{name.replace('_', ' ')} {steps[name]:.2f}" for name in PROFILED)
    return [
        *rows,
        "",
        f"More views, gca of decode-only: {', '.join(more)}. Memory after {memory['num_batches']} "
        f"batches of 1–5 megapixels: {memory['after_all_mib']:.0f} MiB "
        f"({memory['after_tenth_mib']:.0f} MiB after a tenth of them).",
        "",
        f"Processor time per image in milliseconds, two views: {spent}.",
    ]


def store_table(result: dict[str, Any]) -> list[str]:
    rows = [
        "| loader | images/s | over torchvision on JPEGs | over gca on PNG16 | megabytes |",
        "|---|---|---|---|---|",
    ]
    rates, sizes = result["median_images_per_second"], result["megabytes"]
    for name, rate in rates.items():
        loader, source = name.split("_", 1)
        ratios = [
            result["ratios"].get(f"{name} over {rival}")
            for rival in ("torchvision_jpeg_originals", "gca_png16_originals")
        ]
        told = " | ".join("" if ratio is None else f"{ratio:.1f}" for ratio in ratios)
        rows.append(
            f"| {loader}, {source.replace('_', ' ')} | {rate:.0f} | {told} | {sizes[source]:.1f} |"
        )
    return rows


TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], list[str]]]] = {
    "audit": ("audit_dental.json", audit_table),
    "loaders": ("loaders_cpu.json", loaders_table),
    "store": ("store_cpu.json", store_table),
}


def fill(text: str) -> str:
    """Return the text with each table between its marks made anew."""
    for name, (file, make) in TABLES.items():
        if not (RESULTS / file).exists():
            continue
        lines = "\n".join(make(json.loads((RESULTS / file).read_text())))
        mark = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = mark.sub(lambda found, lines=lines: f"{found[1]}{lines}\n{found[2]}", text)
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(fill(readme.read_text()))
