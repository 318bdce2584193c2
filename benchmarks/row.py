"""The row of every benchmark's result file, and how it is read and written.

Times of repeated runs enter; a JSON list of rows leaves. Tables and plots are made from these
files, never typed.
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results"
PACKAGES = ("gca_dali", "numpy", "numba", "torch", "torchvision")


@dataclass(frozen=True)
class Row:
    """One measured number: a provider on a workload, with its spread over the runs.

    Attributes
    ----------
    benchmark, provider, workload : str
        What was measured, whose work it was, and on what.
    metric, unit : str
        As "time per image" and "us".
    p20, p50, p80 : float
        Quantiles over the runs.
    num_runs : int
    device : str
        The processor that did the work.
    versions : dict of str
        Of Python and the packages that took part.
    commit : str
        With a "+" where the kernels differ from it.
    """

    benchmark: str
    provider: str
    workload: str
    metric: str
    unit: str
    p20: float
    p50: float
    p80: float
    num_runs: int
    device: str
    versions: dict[str, str]
    commit: str

    @property
    def identity(self) -> tuple[str, ...]:
        """What a newer row replaces."""
        return (self.benchmark, self.provider, self.workload, self.metric, self.device)


def make_row(
    names: tuple[str, str, str],
    metric: str,
    unit: str,
    values: Sequence[float],
    device: str | None = None,
) -> Row:
    """Return the row of repeated runs; `names` are benchmark, provider and workload."""
    low, middle, high = (float(q) for q in np.quantile(values, (0.2, 0.5, 0.8)))
    return Row(
        *names,
        metric,
        unit,
        low,
        middle,
        high,
        len(values),
        device or describe_cpu(),
        describe_versions(),
        describe_commit(),
    )


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows into a result file; they replace rows of the same identity."""
    kept = {row.identity: row for row in read_rows(path)}
    kept.update({row.identity: row for row in rows})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in kept.values()], indent=1) + "\n")


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a result file; none where it does not exist."""
    return [Row(**row) for row in json.loads(path.read_text())] if path.exists() else []


def describe_cpu() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def describe_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def describe_commit() -> str:
    """Return the commit that was measured, with "+" for changed kernels; "" outside of git."""
    git = ["git", "-C", str(REPOSITORY)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True
        )
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "kernels"])
    except OSError:
        return ""
    return head.stdout.strip() + ("+" if changed.returncode == 1 else "")
