"""The figure of a data set: every arm's difference to `random`, with its interval.

Enters: `Results` and the plan. Leaves: a PNG.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from results import Results
from tables import BASE, find_fractions

_INK, _MUTED = "#1a4e8a", "#8a8f98"


def draw_differences(results: Results, plan: dict[str, Any], arms: list[str], path: Path) -> None:
    """Draw differences of the plan's measure: a panel per fraction, a row per arm.

    Parameters
    ----------
    results : Results
    plan : dict
        Measure, mode, method.
    arms : list of str
        From top to bottom; `BASE` is left out.
    path : Path
        The PNG; its stem, the name of the data set, is the title.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    measure, mode, method = plan["measure"], plan["mode"], plan["method"]
    rows = [arm for arm in arms if arm != BASE]
    fractions = find_fractions(results, mode)
    figure, axes = plt.subplots(
        1,
        len(fractions),
        figsize=(1.8 + 2.8 * len(fractions), 1.2 + 0.34 * len(rows)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, fraction in zip(axes[0], fractions, strict=True):
        axis.axvline(0, color=_MUTED, linewidth=1)
        for place, arm in enumerate(rows):
            found = results.estimate(measure, arm, method, (mode, fraction), BASE)
            if found is not None:
                colour = _INK if found.is_beyond_zero else _MUTED
                axis.plot([found.low, found.high], [place] * 2, color=colour)
                axis.plot(found.value, place, "o", color=colour, markersize=5)
        axis.set_title(f"{mode}, {100 * float(fraction):g} % of the labels", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right", "left"]].set_visible(False)
    axes[0][0].set_yticks(range(len(rows)), rows)
    axes[0][0].set_ylim(len(rows) - 0.5, -0.5)
    figure.supxlabel(
        f"{measure.upper()} over {BASE}, {method}, 95 % intervals; simulated gaze", fontsize=8
    )
    figure.suptitle(path.stem, fontsize=10, fontweight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
