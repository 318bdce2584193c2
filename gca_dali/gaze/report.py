"""What lies beside a fitted predictor: its card and the curve of its training.

Enters: a finished fit. Leaves: `.md` and `.png` files of the predictor's name. Next: a person
reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gca_dali.gaze.card import write_card
from gca_dali.gaze.curves import draw_curves
from gca_dali.gaze.fit import Fit


def write_report(
    fit: Fit,
    predictor_path: str | Path,
    *,
    title: str,
    data: str,
    evaluation: Mapping[str, Any] | None = None,
) -> None:
    """Write the card and the curve of a fit beside its predictor.

    Parameters
    ----------
    fit : Fit
        A finished training.
    predictor_path : str or Path
        Of the predictor; the suffix is replaced.
    title, data : str
        Heading of the card; origin and licence of images and gaze.
    evaluation : mapping, optional
        `Evaluation.as_dict()` on other patients.
    """
    path = Path(predictor_path)
    card = write_card(fit.predictor, title=title, data=data, evaluation=evaluation)
    path.with_suffix(".md").write_text(card, encoding="utf-8")
    losses = {
        "training": [epoch.training_loss for epoch in fit.history],
        "held out": [epoch.loss for epoch in fit.history],
    }
    panels = {
        "loss: KLD − CC": losses,
        "CC, held-out patients": {"CC": [epoch.cc for epoch in fit.history]},
    }
    draw_curves(path.with_suffix(".png"), panels, fit.best_epoch)
