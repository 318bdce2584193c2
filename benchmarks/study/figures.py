"""The figure of the study: every arm's difference to the base arm, with its interval.

Enters: `Results`. Leaves: a PNG.
"""

from __future__ import annotations

from pathlib import Path

from results import Results

_INK, _MUTED = "#1a4e8a", "#8a8f98"


def draw_differences(results: Results, method: str, base: str, arms: list[str], path: Path) -> None:
    """Draw points of accuracy over the base arm: a panel per mode and fraction, a row per arm.

    Parameters
    ----------
    results : Results
    method, base : str
    arms : list of str
        From top to bottom; the base is left out.
    path : Path
        The PNG.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [arm for arm in arms if arm != base]
    panels = sorted(
        {
            (mode, name)
            for cell in results.cells
            for mode in ("linear", "finetune")
            for name in cell.get(mode, ())
        },
        key=lambda panel: (panel[0] != "linear", float(panel[1])),
    )
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(1.6 + 2.4 * len(panels), 0.9 + 0.34 * len(rows)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, (mode, name) in zip(axes[0], panels, strict=True):
        axis.axvline(0, color=_MUTED, linewidth=1)
        for place, arm in enumerate(rows):
            found = results.estimate("accuracy", arm, method, (mode, name), base)
            if found is not None:
                colour = _INK if found.is_beyond_zero else _MUTED
                axis.plot([100 * found.low, 100 * found.high], [place] * 2, color=colour)
                axis.plot(100 * found.value, place, "o", color=colour, markersize=5)
        axis.set_title(f"{mode}, {100 * float(name):g} % of the labels", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right", "left"]].set_visible(False)
    axes[0][0].set_yticks(range(len(rows)), rows)
    axes[0][0].set_ylim(len(rows) - 0.5, -0.5)
    figure.supxlabel(
        f"points of accuracy over {base}, {method}, 95 % intervals; simulated gaze", fontsize=8
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
