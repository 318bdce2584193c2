"""Run a study: every cell of a config that is not there yet, one after the other.

    python benchmarks/study/study.py benchmarks/study/phantoms.json
    python benchmarks/study/study.py benchmarks/study/knees.json --labels DATA/knee/labels.csv

Stop it when you like (Ctrl-C, --minutes, or a kill) and start it again: finished cells are left
alone, and the one that was under way goes on from its last checkpoint. Gaze is predicted by
networks that learned from simulated gaze.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cells import Stopped, Study, run_cell, write_json
from datasets import FIT, Dataset, open_knees, open_phantoms
from row import RESULTS, describe_commit
from study_config import Cell, StudyConfig

from gca_dali.ssl.splits import group_rows, split_rows


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when all cells are done, 3 when the time was over before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, help="JSON of the study")
    parser.add_argument("--labels", type=Path, help="labels.csv of the knees")
    parser.add_argument("--predictor", default="knee", help="of the knees' gaze; the bundled one")
    parser.add_argument(
        "--phantoms", type=int, nargs=2, default=(8000, 800), help="how many, and recorded"
    )
    parser.add_argument("--work", type=Path, default=Path("study"), help="checkpoints, maps")
    parser.add_argument("--results", type=Path, help="finished cells; benchmarks/results/study_…")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="length of this piece")
    options = parser.parse_args(arguments)
    deadline_seconds = time.monotonic() + 60 * options.minutes
    logging.getLogger("lightning").setLevel(logging.WARNING)

    config = StudyConfig.read(options.config)
    if config.data == "knees" and options.labels is None:
        parser.error(f"--labels must be given for {config.name}, got none. Name the knees' CSV.")
    study = Study(
        config,
        open_data(config, options),
        options.work,
        options.results or RESULTS / f"study_{config.name}",
        describe_commit(),
        deadline_seconds,
    )
    write_test_images(study)
    todo = [cell for cell in study.config.cells() if not is_done(study, cell)]
    print(f"{config.name}: {len(todo)} cells to do", flush=True)
    for cell in todo:
        try:
            if study.is_over:
                raise Stopped(f"{cell.name} not begun")
            run_cell(study, cell)
        except Stopped as reason:
            print(f"{reason}; start again to go on")
            return 3
        print(f"{cell.name}: {tell(study, cell)}", flush=True)
    return 0


def open_data(config: StudyConfig, options: argparse.Namespace) -> Dataset:
    """Return the data set of a config, made or read."""
    options.work.mkdir(parents=True, exist_ok=True)
    if config.data == "knees":
        return open_knees(options.labels, config.num_images, options.predictor, options.work)
    return open_phantoms(config.num_images, options.work, tuple(options.phantoms), FIT)


def write_test_images(study: Study) -> None:
    """Write grade and patient of each test image, and from which grade on it is positive."""
    manifest = study.data.manifest
    _, test = split_rows(manifest, 0)
    content = {
        "grade": "".join(map(str, manifest.label[test].tolist())),
        "patient": group_rows(manifest)[test].tolist(),
        "positive": study.data.positive,
    }
    write_json(study.results / "test_images.json", content)


def is_done(study: Study, cell: Cell) -> bool:
    """Tell whether a cell has its JSON, with these modes and fractions.

    Raises
    ------
    ValueError
        If its settings, policy or preset are others.
    """
    path = study.results / f"{cell.name}.json"
    if not path.exists():
        return False
    report: dict[str, Any] = json.loads(path.read_text())
    wanted = json.loads(json.dumps(study.describe(cell)))
    settings = wanted.pop("settings")
    for now, then in ((settings, report["settings"]), (wanted, report)):
        for name, value in now.items():
            if then.get(name) != value:
                raise ValueError(
                    f"{name} of {path} must be that of the study, {value}, got {then.get(name)}. "
                    "Move the folder away or rename the study."
                )
    fractions = {f"{share:g}" for share in study.config.fractions}
    return all(fractions <= set(report.get(mode, ())) for mode in study.config.modes)


def tell(study: Study, cell: Cell) -> str:
    """Return the accuracies of a finished cell in one line."""
    report = json.loads((study.results / f"{cell.name}.json").read_text())
    return "; ".join(
        f"{mode} {name}: {scores['accuracy']:.3f}"
        for mode in study.config.modes
        for name, scores in report[mode].items()
    )


if __name__ == "__main__":
    sys.exit(main())
