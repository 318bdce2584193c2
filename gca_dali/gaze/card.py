"""The model card of a predictor, in Markdown.

Enters: a predictor, and scores where there are any. Leaves: text that says what it learned from,
how it does beside the priors, and what it must not be used for. Next: a person reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gca_dali.gaze.evaluate import LOWER_IS_BETTER
from gca_dali.gaze.predictor import GazePredictor

NAMES = {
    "cc": "CC",
    "sim": "SIM",
    "kld": "KLD",
    "nss": "NSS",
    "auc_judd": "AUC-Judd",
    "auc_shuffled": "sAUC",
    "information_gain": "information gain (bits)",
}


def write_card(
    predictor: GazePredictor,
    *,
    title: str,
    data: str,
    evaluation: Mapping[str, Any] | None = None,
) -> str:
    """Return the card of a predictor.

    Parameters
    ----------
    predictor : GazePredictor
        What the card is about.
    title : str
        Heading.
    data : str
        Where images and gaze come from, and under which licence.
    evaluation : mapping, optional
        `Evaluation.as_dict()` on patients it never saw.
    """
    facts, config = predictor.facts, predictor.network.config
    kind = "simulated gaze: nobody looked at these images" if facts.simulated else "recorded gaze"
    settings = facts.settings
    lines = [
        f"# {title}",
        "",
        f"Predicts where a radiologist would look on an X-ray, as a map of {config.map_px} × "
        f"{config.map_px} cells over the whole image.",
        "",
        f"- **Learned from {kind}.** {facts.num_maps} maps of {facts.num_patients} patients; "
        f"{facts.validation.get('num_maps', 0)} maps of other patients chose the epoch.",
        f"- **Data.** {data}",
        f"- **Network.** U-Net with encoder `{config.encoder}`, from scratch, input "
        f"{config.input_px} × {config.input_px} grey, decoder to a quarter of that; spatial "
        f"softmax; loss KL divergence − correlation.",
        f"- **Training.** {settings.get('num_epochs', 0)} epochs, best one "
        f"{int(settings.get('epoch', 0)) + 1}, batch {settings.get('batch_size', 0)}, AdamW "
        f"{settings.get('learning_rate', 0):g}, seed {settings.get('seed', 0)}.",
        f"- **Held-out patients of the training.** KLD {facts.validation.get('kld', 0):.3f}, CC "
        f"{facts.validation.get('cc', 0):.3f}.",
        f"- **Fingerprint.** `{predictor.fingerprint}`",
        "",
    ]
    if evaluation is not None:
        lines += _score_lines(evaluation)
    lines += [
        "## Limits",
        "",
        "Made to place crops for self-supervised learning. It is no diagnostic device, finds no "
        "disease, and says nothing about images unlike those that it learned from.",
        "",
    ]
    return "\n".join(lines)


def _score_lines(evaluation: Mapping[str, Any]) -> list[str]:
    """Return the table of scores and the paired gains."""
    metrics = list(next(iter(evaluation["scores"].values())))
    heads = [NAMES[m] + (" ↓" if m in LOWER_IS_BETTER else "") for m in metrics]
    lines = [
        "## Scores",
        "",
        f"Means over {evaluation['num_images']} images of other patients, 95 % bootstrap interval "
        f"over patients.",
        "",
        "| | " + " | ".join(heads) + " |",
        "|---" * (len(metrics) + 1) + "|",
    ]
    for source, by_metric in evaluation["scores"].items():
        lines.append(f"| {source} | " + " | ".join(map(_cell, by_metric.values())) + " |")
    for pair, by_metric in evaluation["gains"].items():
        lines.append(
            f"| *{pair}, better by* | " + " | ".join(map(_cell, by_metric.values())) + " |"
        )
    return [*lines, ""]


def _cell(entry: Mapping[str, Any]) -> str:
    """Return a mean with its interval."""
    low, high = entry["ci95"]
    return f"{entry['mean']:.3f} ({low:.3f}…{high:.3f})"
