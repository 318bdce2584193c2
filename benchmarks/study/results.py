"""Finished cells read back, and what they say: means over seeds, intervals, paired differences.

Enters: a folder of cell JSONs. Leaves: `Estimate`s. Patients are resampled, and seeds where there
are two or more; two arms are compared on the same patients and seeds of every resample.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

NUM_RESAMPLES = 4000
_NOT_CELLS = ("test_images",)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval."""

    value: float
    low: float
    high: float
    num_seeds: int

    @property
    def is_beyond_zero(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Results:
    """All cells of a study.

    Attributes
    ----------
    cells : list of dict
        As `cells.run_cell` wrote them.
    grade : numpy.ndarray, int64, [M]
        True grades of the test images.
    patient : numpy.ndarray, int64, [M]
        Patient of each test image, 0 to P − 1.
    """

    cells: list[dict[str, Any]]
    grade: np.ndarray
    patient: np.ndarray

    @classmethod
    def read(cls, folder: Path) -> Results:
        """Read a folder of results."""
        images = json.loads((folder / "test_images.json").read_text())
        paths = sorted(path for path in folder.glob("*.json") if path.stem not in _NOT_CELLS)
        _, patient = np.unique(images["patient"], return_inverse=True)
        return cls(
            [json.loads(path.read_text()) for path in paths], _digits(images["grade"]), patient
        )

    def arms(self, method: str) -> list[str]:
        """Return the arms that have a cell of this method, the untrained network included."""
        return list(dict.fromkeys(c["arm"] for c in self.cells if c["method"] in (method, "none")))

    def methods(self) -> list[str]:
        """Return the methods that have a cell."""
        return sorted({cell["method"] for cell in self.cells} - {"none"})

    def find(self, arm: str, method: str) -> dict[int, dict[str, Any]]:
        """Return the cells of an arm by seed."""
        chosen = [c for c in self.cells if c["arm"] == arm and c["method"] in (method, "none")]
        return {cell["seed"]: cell for cell in chosen}

    def crop(self, arm: str, method: str, name: str) -> float:
        """Return a crop statistic of an arm, the mean over seeds; NaN where it draws none."""
        values = [c["crops"][name] for c in self.find(arm, method).values() if "crops" in c]
        return float(np.mean(values)) if values else float("nan")

    def estimate(
        self, measure: str, arm: str, method: str, judged: tuple[str, str], against: str = ""
    ) -> Estimate | None:
        """Estimate an arm's measure, or its difference to another arm.

        Parameters
        ----------
        measure : str
            "accuracy" or "mae".
        arm, method : str
        judged : tuple of str
            Mode and fraction, as ("linear", "0.1").
        against : str
            Another arm, of which the seeds that both have are compared; "" for none.

        Returns
        -------
        Estimate or None
            None where no cell has it.
        """
        mine = self._values(measure, arm, method, judged)
        if against:
            other = self._values(measure, against, method, judged)
            mine = {seed: mine[seed] - other[seed] for seed in mine.keys() & other.keys()}
        if not mine:
            return None
        values = np.stack([mine[seed] for seed in sorted(mine)])
        resampled = self._patient_weights @ values.T / self._patient_weights.sum(1, keepdims=True)
        counts = np.random.default_rng(1).multinomial(
            len(values), np.full(len(values), 1 / len(values)), size=NUM_RESAMPLES
        )
        means = (resampled * counts).sum(1) / len(values)
        low, high = np.percentile(means, (2.5, 97.5))
        return Estimate(float(values.mean()), float(low), float(high), len(values))

    @cached_property
    def _patient_weights(self) -> np.ndarray:
        """How often each test image is in each resample of the patients, [R, M]."""
        num = int(self.patient.max()) + 1
        rng = np.random.default_rng(0)
        drawn = rng.multinomial(num, np.full(num, 1 / num), size=NUM_RESAMPLES)
        return drawn[:, self.patient].astype(np.float64)

    def _values(
        self, measure: str, arm: str, method: str, judged: tuple[str, str]
    ) -> dict[int, np.ndarray]:
        """Return the measure of every test image, [M], by seed."""
        mode, fraction = judged
        found = {}
        for seed, cell in self.find(arm, method).items():
            if fraction in cell.get(mode, ()):
                away = np.abs(_digits(cell[mode][fraction]["guess"]) - self.grade)
                found[seed] = (away == 0 if measure == "accuracy" else away).astype(np.float64)
        return found


def _digits(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8).astype(np.int64) - ord("0")
