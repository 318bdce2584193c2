"""Write the tables of README and manual from the result files: `python benchmarks/plot.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# Where tables and the answer stand: a page, and what leads from it to docs.
DOCS = ROOT / "docs"
PAGES = {ROOT / "README.md": "docs/"}
PAGES |= {DOCS / f"{page}.md": "" for page in ("measured", "policies", "formats")}
# The study's own words are the answer about gaze.
STUDY = ROOT / "benchmarks" / "study"
# The names of `benchmarks.loaders.bench_formats`: what each is, and which codec is the bare one.
CODINGS = {
    "UNC": ("uncompressed", ""),
    "RLE": ("RLE", "`dicomrle_decode`"),
    "JPLL": ("JPEG lossless", "`jpeg8_decode`"),
    "JPLY_fixed": ("JPEG extended, 12 bits", "`jpeg8_decode`"),
    "JLSL": ("JPEG-LS lossless", "`jpegls_decode`"),
    "JLSN": ("JPEG-LS near-lossless", "`jpegls_decode`"),
    "J2KR": ("JPEG 2000 lossless", "`jpeg2k_decode`"),
    "J2KI": ("JPEG 2000 lossy", "`jpeg2k_decode`"),
}
PROFILED = ("loader", "decode_only", "plan_views", "make_views", "rest")


def audit_table(result: dict[str, Any]) -> list[str]:
    rows = [
        "| policy | lesions kept | pairs share one | mean area | below tau | pair IoU |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in result["policies"].items():
        names = ("kept", "pairs_share", "mean_area", "below_tau", "mean_pair_iou")
        numbers = (one[name] for name in names)
        rows.append(f"| `{name}` | " + " | ".join(f"{number:.3f}" for number in numbers) + " |")
    return rows


def wide_table(result: dict[str, Any]) -> list[str]:
    """Return what `benchmarks.gaze.audit_wide` found, beside `random`."""
    rows = ["| policy | mean area | pair IoU | over `random` | grown |"]
    rows.append("|---|---|---|---|---|")
    base = result["policies"]["random"]["mean_pair_iou"]
    for name, one in result["policies"].items():
        area, overlap, grown = (one[key] for key in ("mean_area", "mean_pair_iou", "grown"))
        rows.append(
            f"| `{name}` | {area:.3f} | {overlap:.3f} | {overlap - base:+.3f} | {grown:.2f} |"
        )
    return rows


def rates_table(result: dict[str, Any]) -> list[str]:
    """Return images per second of each loader with two views, and over decoding alone."""
    rates = result["views_2"]["rates"]
    rows = ["| loader | images/s | of decode-only | 20th–80th percentile |", "|---|---|---|---|"]
    for name, mine in rates.items():
        ratios = [a / b for a, b in zip(mine, rates["decode_only"], strict=True)]
        fifths = quantiles(ratios, n=5, method="inclusive")
        rows.append(
            f"| {name} | {median(mine):.0f} | {median(ratios):.2f} | "
            f"{fifths[0]:.2f}–{fifths[-1]:.2f} |"
        )
    return [*rows, "", f"On {result['machine']}."]


def loaders_table(result: dict[str, Any]) -> list[str]:
    """Return `rates_table` and what else was measured of the loader."""
    more = [f"V = {v}: {result[f'views_{v}']['ratio_to_decode_only']['gca']:.2f}" for v in (4, 8)]
    memory, steps = result["memory"], result["profile_ms"]
    spent = ", ".join(f"{name.replace('_', ' ')} {steps[name]:.2f}" for name in PROFILED)
    return [
        *rates_table(result),
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
    return [*rows, "", f"On {result['machine']}."]


def codings_table(result: list[dict[str, Any]]) -> list[str]:
    rows = [
        "| coding | ms per image | over the bare codec | by processor time | over pydicom |",
        "|---|---|---|---|---|",
    ]
    for name, (coding, codec) in CODINGS.items():
        workload = f"hip {name}"
        alone = _find(result, "gca_dali over bare codec", workload, "time ratio")
        used = _find(result, "gca_dali over bare codec", workload, "processor time ratio")
        beside = _find(result, "gca_dali over pydicom", workload, "time ratio")
        (mine,) = _find(result, "gca_dali", workload, "time per image")
        ratios = [f"{ratio[0]:.2f}" if ratio else "" for ratio in (alone, used, beside)]
        codec = f" ({codec})" if codec else ""
        rows.append(f"| {coding}{codec} | {mine:.1f} | {' | '.join(ratios)} |")
    return [*rows, "", f"On {result[0]['device']}."]


def formats_table(result: list[dict[str, Any]]) -> list[str]:
    rows = [
        "| set | images/s | of decoding alone | decoded alone by |",
        "|---|---|---|---|",
    ]
    for name, decoder in (("PNG8", "DALI"), ("PNG16", "DALI"), ("DICOM", "our workers")):
        (rate,) = _find(result, "gca_dali", f"{name}, ", "throughput")
        (ratio,) = _find(result, "gca_dali over decode only", f"{name}, ", "throughput ratio")
        (row,) = [row for row in result if _is_rate_of(row, name)]
        size = row["workload"].removeprefix(f"{name}, ").split(",")[0]
        rows.append(f"| {name}, {size} | {rate:.1f} | {ratio:.2f} | {decoder} |")
    return [*rows, "", f"On {result[0]['device']}."]


def _is_rate_of(row: dict[str, Any], name: str) -> bool:
    kind = (row["provider"], row["metric"])
    return kind == ("gca_dali", "throughput") and row["workload"].startswith(f"{name}, ")


def pngs_table(result: list[dict[str, Any]]) -> list[str]:
    rows = ["| images | decoded by | images/s | of DALI |", "|---|---|---|---|"]
    names = {"dali_decode": "DALI", "libpng": "libpng", "read_image": "ours", "gca": "the loader"}
    for workload in dict.fromkeys(row["workload"] for row in result):
        for provider, name in names.items():
            (rate,) = _find(result, provider, workload, "throughput")
            (ratio,) = _find(result, provider, workload, "ratio to DALI's decoding")
            rows.append(f"| {workload} | {name} | {rate:.0f} | {ratio:.2f} |")
    return [*rows, "", f"On {result[0]['device']}."]


def _find(result: list[dict[str, Any]], provider: str, workload: str, metric: str) -> list[float]:
    """Return the median of the last row whose workload begins like that, if there is one."""
    found = [
        row["p50"]
        for row in result
        if (row["provider"], row["metric"]) == (provider, metric)
        and row["workload"].startswith(workload)
    ]
    return found[-1:]


def tell_study(folder: str) -> str:
    """Return what is known of gaze, with its figures, which are copied to docs.

    `folder` leads from the page to docs. The README, which is not in there, has one paragraph.
    """
    found = re.search(r"## The answer\n(.*?)\n## ", (STUDY / "README.md").read_text(), re.DOTALL)
    assert found is not None, "benchmarks/study/README.md must hold the answer"
    told = re.sub(r"(?<!!)\[([^]]*)\]\([^)]*\)", r"\1", found[1].strip())
    if folder:
        told, _, _ = told.partition("\n\n")
    shown = []
    for figure in sorted((STUDY / "figures").glob("*.png")):
        copy = DOCS / f"study_{figure.name}"
        if not copy.exists() or copy.read_bytes() != figure.read_bytes():
            copy.write_bytes(figure.read_bytes())
        shown.append(
            f"![{figure.stem}: the arms over random crops, simulated gaze]({folder}{copy.name})"
        )
    figures = "\n".join(shown)
    return f"{told}\n\n{figures}\n\nPlan, tables and how to run it: `benchmarks/study`."


TABLES: dict[str, tuple[str, Callable[[Any], list[str]]]] = {
    "audit": ("audit_dental.json", audit_table),
    "wide knees": ("audit_knee.json", wide_table),
    "wide chest": ("audit_chest.json", wide_table),
    "rates": ("loaders_cpu.json", rates_table),
    "loaders": ("loaders_cpu.json", loaders_table),
    "store": ("store_cpu.json", store_table),
    "codings": ("formats_cpu.json", codings_table),
    "formats": ("formats_cpu.json", formats_table),
    "pngs": ("png_cpu.json", pngs_table),
}
STUDY_MARK = re.compile(r"(<!-- study -->\n).*?(<!-- /study -->)", re.DOTALL)


def fill(text: str, folder: str = "") -> str:
    """Return the text with each table between its marks made anew; `folder` leads to docs."""
    for name, (file, make) in TABLES.items():
        if not (RESULTS / file).exists():
            continue
        lines = "\n".join(make(json.loads((RESULTS / file).read_text())))
        mark = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = mark.sub(lambda found, lines=lines: f"{found[1]}{lines}\n{found[2]}", text)
    told = tell_study(folder)
    return STUDY_MARK.sub(lambda found: f"{found[1]}{told}\n{found[2]}", text)


if __name__ == "__main__":
    for page, folder in PAGES.items():
        page.write_text(fill(page.read_text(), folder))
