"""What an eye tracker makes of a reader's fixations: offset, jitter, losses, glances off the image.

Enters: intended fixations of a simulated reader. Leaves: `Fixations` marked simulated, with the
faults of a real recording. Next: as any recording: `matching`, then `maps`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from gca_dali.gaze.fixations import Fixations, build_fixations


@dataclass(frozen=True)
class Tracker:
    """Faults of a remote eye tracker, as shares of the image's longer side.

    The defaults are 0.3° and 0.3° where the side spans 25°: 90 Hz trackers reach 0.4° to 1° after
    calibration.

    Attributes
    ----------
    offset : float
        Standard deviation of the calibration error, one draw per reading.
    jitter : float
        Standard deviation of each fixation about its target.
    loss : float
        Probability that a fixation is lost (blink, head movement): an invalid row.
    glance : float
        Probability that the reader looks off the image instead.
    """

    offset: float = 0.012
    jitter: float = 0.012
    loss: float = 0.04
    glance: float = 0.02

    def __post_init__(self) -> None:
        """Refuse negative spreads and impossible probabilities."""
        for name in ("offset", "jitter"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name} must be at least 0, got {getattr(self, name)}. Use 0 for none."
                )
        if not (self.loss >= 0 and self.glance >= 0 and self.loss + self.glance < 1):
            raise ValueError(
                f"loss and glance must be probabilities with a sum below 1, got {self.loss} and "
                f"{self.glance}. Lower them."
            )

    def record(
        self, intended: np.ndarray, size: tuple[int, int], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Return the rows that the tracker writes for one reading.

        Parameters
        ----------
        intended : numpy.ndarray, float64, [F, 3]
            y and x in pixels, duration in seconds.
        size : tuple of int
            Height and width of the image in pixels.
        rng : numpy.random.Generator
            Advanced.

        Returns
        -------
        dict
            `y_px`, `x_px`, `duration_seconds` (float64, [F]) and `flag` (bool, False where lost).
        """
        side, num = max(size), len(intended)
        offset = rng.normal(0, self.offset * side, 2)
        position = intended[:, :2] + offset + rng.normal(0, self.jitter * side, (num, 2))
        fate = rng.uniform(size=num)
        away = (fate >= self.loss) & (fate < self.loss + self.glance)
        # A glance at the keyboard or the report beside the image.
        position[away] = np.array(size) * rng.uniform(1.02, 1.4, (int(away.sum()), 2))
        return {
            "y_px": position[:, 0],
            "x_px": position[:, 1],
            "duration_seconds": intended[:, 2],
            "flag": fate >= self.loss,
        }


def simulate_fixations(
    images: Iterable[tuple[str, tuple[int, int], Callable[[np.random.Generator], np.ndarray]]],
    seed: int = 0,
    tracker: Tracker | None = None,
) -> Fixations:
    """Let a simulated reader read images before a simulated tracker.

    Parameters
    ----------
    images : iterable of (str, (int, int), callable)
        Path, height and width in pixels, and the reader: a function from a generator to intended
        fixations [F, 3] (y, x, seconds).
    seed : int
        Each image draws from (seed, its path) alone, whatever the order.
    tracker : Tracker, optional
        Its faults; `Tracker()` by default.
    """
    tracker = tracker or Tracker()
    shown, parts, sizes = [], [], {}
    for path, size, read in images:
        rng = np.random.default_rng([seed, zlib.crc32(path.encode())])
        columns = tracker.record(read(rng), size, rng)
        num = len(columns["y_px"])
        columns["image"] = np.full(num, path)
        columns["recording"] = np.full(num, f"simulated {seed}")
        shown.append(path)
        parts.append(columns)
        sizes[path] = size
    names = ("image", "recording", "y_px", "x_px", "duration_seconds", "flag")
    if parts:
        columns = {name: np.concatenate([part[name] for part in parts]) for name in names}
    else:
        columns = {name: np.zeros(0, str if name in names[:2] else float) for name in names}
        columns["flag"] = np.zeros(0, bool)
    fixations = build_fixations(
        columns, source="the simulated reader", images=tuple(shown), simulated=True
    )
    return fixations.with_sizes(sizes)
