"""What lies beside a checkpoint, so that a run explains itself: policy, settings, versions, curve.

Enters: a run that starts, and its logs when it ends. Leaves: `policy.json`, `run.json`,
`curve.png`.
"""

from __future__ import annotations

import csv
import json
import logging
import platform
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gca_dali.common.disk import replace_file

if TYPE_CHECKING:
    from gca_dali.ssl.run import PretrainRun

_log = logging.getLogger("gca_dali")

PACKAGES = (
    "gca_dali",
    "torch",
    "lightly",
    "lightning",
    "timm",
    "nvidia-dali-cuda120",
    "nvidia-dali-cuda130",
    "numpy",
)
# What the curve shows, by the name in the logs, from the top down.
PANELS = ("loss", "spread", "knn_accuracy", "learning_rate", "waiting_share")


def describe_run(run: PretrainRun, out: Path) -> None:
    """Write the policy that the views were made by, and what was trained on what with what.

    Parameters
    ----------
    run : PretrainRun
        That starts or goes on; each start is added to the list in `run.json`.
    out : Path
        Folder of the run.
    """
    out.mkdir(parents=True, exist_ok=True)
    run.loader.policy.save(out / "policy.json")
    facts = {
        "config": asdict(run.config),
        "preset": asdict(run.method.preset),
        "spread": run.method.spread_name,
        "batch_size": run.batch_size,
        "num_batches": run.num_batches,
        "world_size": run.fabric.world_size,
        "device": str(run.fabric.device),
        "starts": [*_read_starts(out / "run.json"), _describe_start(run.step)],
    }
    with replace_file(out / "run.json") as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def draw_curve(out: Path) -> Path:
    """Draw what the logs of all starts hold against steps.

    Parameters
    ----------
    out : Path
        Folder of the run.

    Returns
    -------
    Path
        `curve.png`.
    """
    from matplotlib.figure import Figure

    rows = read_logs(out)
    spread = json.loads((out / "run.json").read_text(encoding="utf-8"))["spread"]
    names = [spread if name == "spread" else name for name in PANELS]
    names = [name for name in names if any(row.get(name) for row in rows)]
    figure = Figure(figsize=(7, 1.6 * max(len(names), 1)), layout="constrained")
    axes = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0] if names else []
    for axis, name in zip(axes, names, strict=True):
        points = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
        axis.plot(*zip(*points, strict=True), ".-", markersize=2, linewidth=1)
        axis.set_ylabel(name.replace("_", " "), fontsize=8)
        axis.grid(alpha=0.3)
    if names:
        axes[-1].set_xlabel("step")
    figure.savefig(out / "curve.png", dpi=120)
    return out / "curve.png"


def read_logs(out: Path) -> list[dict[str, str]]:
    """Return the rows of all starts' CSV logs by step; a later start replaces what it repeats."""
    rows: dict[int, dict[str, str]] = {}
    folders = sorted(out.glob("logs/version_*"), key=lambda path: int(path.name.split("_")[1]))
    for folder in folders:
        if (folder / "metrics.csv").is_file():
            with open(folder / "metrics.csv", encoding="utf-8", newline="") as file:
                rows |= {int(row["step"]): row for row in csv.DictReader(file)}
    return [rows[step] for step in sorted(rows)]


def _read_starts(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["starts"])
    except (ValueError, KeyError, TypeError) as error:
        _log.warning(
            "%s must be what pretrain wrote, got %s. Its list of starts begins anew.",
            path,
            f"{type(error).__name__}: {error}",
        )
        return []


def _describe_start(step: int) -> dict[str, Any]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"time": now, "step": step, "versions": versions}
