"""What is known about how a predictor came to be; it travels in the predictor's file.

Enters: `fit`. Leaves: `PredictorFacts`. Next: `predictor` stores it, `card` tells it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PredictorFacts:
    """What is known about how a predictor came to be.

    Attributes
    ----------
    simulated : bool
        True where it learned from simulated gaze.
    num_maps, num_patients : int
        Maps it learned from, and their patients (0 where unknown).
    validation : dict of str to float
        Scores on the patients held out to choose the epoch.
    settings : dict
        Settings of the fit.
    """

    simulated: bool
    num_maps: int
    num_patients: int = 0
    validation: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
