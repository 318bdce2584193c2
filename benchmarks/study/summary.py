"""Make the tables and figures of the study from its cells, and put them into the READMEs.

    python benchmarks/study/summary.py

Enters: benchmarks/results/study_*/ and plan.json. Leaves: benchmarks/study/README.md between its
marks, and benchmarks/study/figures/.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from figures import draw_differences
from results import Results
from row import RESULTS
from study_config import StudyConfig
from tables import difference_table, planned_table, published_table, value_table

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write tables and figures of every study that has a cell."""
    plan = json.loads((HERE / "plan.json").read_text())
    published = json.loads((HERE / "published.json").read_text())
    tables = {"published": "\n".join(published_table(published))}
    for folder in sorted(RESULTS.glob("study_*/")):
        results = Results.read(folder)
        name = folder.name.removeprefix("study_")
        config = StudyConfig.read(HERE / f"{name}.json")
        tables |= make_tables(results, config, plan)
        if (more := HERE / f"{name}_more.json").exists():
            tables |= make_more_tables(results, StudyConfig.read(more), plan)
        draw_differences(
            results,
            plan,
            order_arms(results, config, plan["method"]),
            HERE / "figures" / f"{name}.png",
        )
    readme = HERE / "README.md"
    readme.write_text(fill(readme.read_text(encoding="utf-8"), tables), encoding="utf-8")


def make_tables(results: Results, config: StudyConfig, plan: dict) -> dict[str, str]:
    """Return the tables of a study by the names of their marks."""
    arms = order_arms(results, config, plan["method"])
    parts = {
        "planned": planned_table(results, plan, plan["level"]),
        "values": value_table(results, plan["method"], arms, plan["mode"]),
        "differences": difference_table(results, plan["method"], arms, plan["mode"]),
        "facts": [describe(results, config)],
    }
    return {f"{config.name} {name}": "\n".join(lines) for name, lines in parts.items()}


def make_more_tables(results: Results, config: StudyConfig, plan: dict) -> dict[str, str]:
    """Return the tables of the arms that are beside the plan: intervals, and no p."""
    method, mode = plan["method"], plan["mode"]
    arms = order_arms(results, config, method)
    if not arms:
        return {}
    parts = {
        "more values": value_table(results, method, arms, mode),
        "more differences": difference_table(results, method, arms, mode),
    }
    return {f"{config.name} {name}": "\n".join(lines) for name, lines in parts.items()}


def describe(results: Results, config: StudyConfig) -> str:
    """Return in one sentence what was run."""
    wanted = {(cell.arm, cell.method, cell.seed) for cell in config.cells()}
    run = {(cell["arm"], cell["method"], cell["seed"]) for cell in results.cells}
    beside = f" and {len(run - wanted)} beside the plan" if run - wanted else ""
    devices = ", ".join(sorted({cell["device"] for cell in results.cells}))
    return (
        f"{len(run & wanted)} of {len(wanted)} cells{beside}, "
        f"{results.seconds() / 3600:.1f} hours of processor time ({devices}); "
        f"{len(results.grade)} test images, "
        f"{100 * (results.grade >= results.positive).mean():.0f} % positive. Simulated gaze."
    )


def order_arms(results: Results, config: StudyConfig, method: str) -> list[str]:
    """Return the arms that were run, in the order of the config."""
    run = results.arms(method)
    return [arm for arm in config.arms if arm in run]


def fill(text: str, tables: dict[str, str]) -> str:
    """Return the text with each table between its marks made anew."""
    for name, table in tables.items():
        mark = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = mark.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    return text


if __name__ == "__main__":
    main()
