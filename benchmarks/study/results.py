"""Finished cells read back, and what they say: means over seeds, intervals, paired differences.

Enters: a folder of cell JSONs. Leaves: `Estimate`s. Patients are resampled, and what seeds differ
by is added to that by Student's t; two arms are compared on the same patients and seeds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from gca_dali.ssl.scores import quadratic_kappa, weighted_auc

MEASURES = ("auc", "kappa", "accuracy", "mae")
NUM_RESAMPLES = 2000
_NOT_CELLS = ("test_images",)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, its 95 % interval, and p of its being zero.

    Of one seed they are of the patients alone: what another seed would give is not in them.
    """

    value: float
    low: float
    high: float
    p: float
    num_seeds: int

    @property
    def is_beyond_zero(self) -> bool:
        """Whether the interval of two seeds or more leaves zero out."""
        return self.num_seeds > 1 and (self.low > 0 or self.high < 0)


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
    positive : int
        The least grade that is positive.
    """

    cells: list[dict[str, Any]]
    grade: np.ndarray
    patient: np.ndarray
    positive: int
    _found: dict[tuple, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, folder: Path) -> Results:
        """Read a folder of results."""
        images = json.loads((folder / "test_images.json").read_text())
        paths = sorted(path for path in folder.glob("*.json") if path.stem not in _NOT_CELLS)
        _, patient = np.unique(images["patient"], return_inverse=True)
        cells = [json.loads(path.read_text()) for path in paths]
        return cls(cells, _digits(images["grade"]), patient, images["positive"])

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

    def seconds(self) -> float:
        """Return the processor time of all cells."""
        return sum(part["processor"] for cell in self.cells for part in cell["seconds"].values())

    def estimate(
        self, measure: str, arm: str, method: str, judged: tuple[str, str], against: str = ""
    ) -> Estimate | None:
        """Estimate an arm's measure, or its difference to another arm.

        Parameters
        ----------
        measure : str
            One of `MEASURES`; "auc" is of the positive grades against the others.
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
        mine = self._resampled(measure, arm, method, judged)
        if against:
            other = self._resampled(measure, against, method, judged)
            mine = {seed: mine[seed] - other[seed] for seed in mine.keys() & other.keys()}
        if not mine:
            return None
        values = np.stack([mine[seed] for seed in sorted(mine)], axis=1)
        return estimate_mean(values, int(self.patient.max()) + 1)

    @cached_property
    def _weights(self) -> np.ndarray:
        """How often each test image counts: once, and in each resample of patients, [1 + R, M]."""
        num = int(self.patient.max()) + 1
        rng = np.random.default_rng(0)
        drawn = rng.multinomial(num, np.full(num, 1 / num), size=NUM_RESAMPLES)
        return np.concatenate([np.ones((1, num)), drawn])[:, self.patient].astype(np.float64)

    def _resampled(
        self, measure: str, arm: str, method: str, judged: tuple[str, str]
    ) -> dict[int, np.ndarray]:
        """Return the measure on all test images and on each resample, [1 + R], by seed."""
        mode, fraction = judged
        found = {}
        for seed, cell in self.find(arm, method).items():
            if fraction in cell.get(mode, ()):
                key = (measure, arm, cell["method"], seed, mode, fraction)
                if key not in self._found:
                    self._found[key] = self._measure(measure, cell[mode][fraction])
                found[seed] = self._found[key]
        return found

    def _measure(self, measure: str, guessed: dict[str, str]) -> np.ndarray:
        weights = self._weights
        if measure == "auc":
            text = guessed["positive"]
            value = np.array([int(text[at : at + 4]) for at in range(0, len(text), 4)], float)
            return weighted_auc(value, self.grade >= self.positive, weights)
        guess = _digits(guessed["guess"])
        if measure == "kappa":
            num_grades = int(max(self.grade.max(), guess.max())) + 1
            return quadratic_kappa(guess, self.grade, num_grades, weights)
        away = np.abs(guess - self.grade)
        return weights @ (away == 0 if measure == "accuracy" else away) / weights.sum(1)


def estimate_mean(values: np.ndarray, num_patients: int) -> Estimate:
    """Estimate a mean over seeds that another draw of patients and seeds would give, too.

    The variance of the mean over resamples of patients and that of the mean of seeds are added;
    degrees of freedom by Welch and Satterthwaite. To resample a few seeds as well would not do: of
    three it tells too little of the next.

    Parameters
    ----------
    values : numpy.ndarray, float64, [1 + R, S]
        Of each seed, on all patients and on each of R resamples of them.
    num_patients : int
    """
    num_seeds = values.shape[1]
    value = float(values[0].mean())
    of_patients = float(values[1:].mean(1).var(ddof=1))
    of_seeds = float(values[0].var(ddof=1)) / num_seeds if num_seeds > 1 else 0.0
    error = (of_patients + of_seeds) ** 0.5
    if error == 0:
        return Estimate(value, value, value, float(value == 0), num_seeds)
    shares = (of_patients**2 / max(num_patients - 1, 1), of_seeds**2 / max(num_seeds - 1, 1))
    student = stats.t((of_patients + of_seeds) ** 2 / sum(shares))
    half = float(student.ppf(0.975)) * error
    p = 2 * float(student.sf(abs(value) / error))
    return Estimate(value, value - half, value + half, p, num_seeds)


def adjust(values: list[float]) -> list[float]:
    """Return p values corrected for their number by Holm's method."""
    order = np.argsort(values, kind="stable")
    steps = np.asarray(values)[order] * np.arange(len(values), 0, -1)
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected.tolist()


def _digits(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8).astype(np.int64) - ord("0")
