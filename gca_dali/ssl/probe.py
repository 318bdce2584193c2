"""What features are worth: a linear probe or fine-tuning at fractions of the labels.

Enters: a checkpoint and a labelled manifest. Leaves: scores with intervals, per fraction, and the
paired difference to a second checkpoint or to the untrained network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gca_dali.ssl.encoder_files import read_encoder
from gca_dali.ssl.features import build_untrained, extract_features
from gca_dali.ssl.finetune import Finetuning
from gca_dali.ssl.linear import fit_linear_probe
from gca_dali.ssl.scores import Predictions, compare, score
from gca_dali.ssl.splits import balance_subset, group_rows, split_rows

if TYPE_CHECKING:
    from torch import nn

    from gca_dali.data.manifest import Manifest
    from gca_dali.ssl.encoders import EncoderConfig

MODES = ("linear", "finetune")
UNTRAINED = "untrained"


@dataclass(frozen=True)
class ProbeConfig:
    """How features are judged.

    Attributes
    ----------
    fractions : tuple of float
        Shares of the training rows whose labels are used, each in (0, 1].
    mode : str
        "linear" (frozen features) or "finetune".
    seed : int
        Of split, subsets, choices and bootstrap.
    device : str
        "auto", "cpu" or "cuda".
    batch_size : int
        Images per batch.
    num_epochs : int
        Of fine-tuning.
    """

    fractions: tuple[float, ...] = (1.0,)
    mode: str = "linear"
    seed: int = 0
    device: str = "auto"
    batch_size: int = 32
    num_epochs: int = 50

    def __post_init__(self) -> None:
        """Refuse modes and fractions that there are not."""
        if self.mode not in MODES:
            raise ValueError(f"mode must be linear or finetune, got {self.mode!r}. Use linear.")
        if not self.fractions or not all(0 < share <= 1 for share in self.fractions):
            raise ValueError(
                f"fractions must lie in (0, 1], got {self.fractions}. Use for example 0.01 0.1 1."
            )


def probe_checkpoint(
    checkpoint: str | Path,
    manifest: Manifest,
    config: ProbeConfig,
    against: str | Path | None = None,
) -> dict[str, Any]:
    """Judge the encoder of a checkpoint by what can be learnt from it.

    Parameters
    ----------
    checkpoint : str or Path
        `last.safetensors` of a pre-training run, or an exported encoder.
    manifest : Manifest
        With labels; see `gca_dali.ssl.splits.split_rows` for how it is split.
    config : ProbeConfig
        Fractions, mode, seed.
    against : str or Path, optional
        A second checkpoint, or "untrained" for the same network with fresh weights.

    Returns
    -------
    dict
        "fractions": {F: scores}; with `against` also "against": {"fractions": {F: scores},
        "difference": {F: comparison}}; and mode, num_train, num_test, num_unread.

    Raises
    ------
    FileNotFoundError, ValueError
        If a checkpoint is missing or of another kind, or the manifest cannot be split.
    """
    encoder, encoder_config = read_encoder(checkpoint)
    task = ProbeTask(manifest, config)
    predictions = task.judge(encoder, encoder_config)
    report: dict[str, Any] = {
        "fractions": {name: score(item, config.seed) for name, item in predictions.items()},
        "mode": config.mode,
        "num_train": len(task.train),
        "num_test": len(task.test),
        "num_unread": task.num_unread,
    }
    if against is not None:
        if str(against) == UNTRAINED:
            other, other_config = build_untrained(encoder_config, config.seed), encoder_config
        else:
            other, other_config = read_encoder(against)
        others = task.judge(other, other_config)
        report["against"] = {
            "name": str(against),
            "fractions": {name: score(item, config.seed) for name, item in others.items()},
            "difference": {
                name: compare(predictions[name], others[name], config.seed) for name in predictions
            },
        }
    return report


class ProbeTask:
    """Rows, subsets and patients, the same for every encoder that is judged.

    Parameters
    ----------
    manifest : Manifest
        With labels.
    config : ProbeConfig
        Fractions, mode, seed.

    Attributes
    ----------
    train, test : numpy.ndarray, int64
        Rows to learn from and rows to test on.
    num_unread : int
        Images that could not be read at the last `judge`.
    """

    def __init__(self, manifest: Manifest, config: ProbeConfig) -> None:
        self.config = config
        self.train, self.test = split_rows(manifest, config.seed)
        self.manifest, self.groups = manifest, group_rows(manifest)
        self.num_classes = max(len(manifest.classes), int(manifest.label.max()) + 1)
        label = manifest.label[self.train]
        self.subsets = {
            f"{share:g}": self.train[balance_subset(label, share, config.seed)]
            for share in config.fractions
        }
        self.num_unread = 0

    def judge(self, encoder: nn.Module, look: EncoderConfig) -> dict[str, Predictions]:
        """Return the predictions of the test rows, for each fraction.

        Parameters
        ----------
        encoder : torch.nn.Module
            Maps [B, C, H, W] to [B, D]; left as it is.
        look : EncoderConfig
            What it was built from.

        Returns
        -------
        dict of str to Predictions
            By the fraction, as "0.1".
        """
        if self.config.mode == "linear":
            return self._judge_linear(encoder, look)
        return self._judge_finetuned(encoder, look)

    def _judge_linear(self, encoder: nn.Module, look: EncoderConfig) -> dict[str, Predictions]:
        used = np.sort(np.concatenate([self.train, self.test]))
        found, read = extract_features(
            encoder, look, self.manifest.take(used), self.config.batch_size, self.config.device
        )
        features = np.zeros((len(self.manifest), found.shape[1]), np.float32)
        seen = np.zeros(len(self.manifest), bool)
        features[used], seen[used] = found, read
        self.num_unread = int((~read).sum())
        test = self.test[seen[self.test]]
        predictions = {}
        for name, subset in self.subsets.items():
            rows = subset[seen[subset]]
            probe = fit_linear_probe(
                features[rows],
                self.manifest.label[rows],
                self.groups[rows],
                self.num_classes,
                self.config.seed,
            )
            predictions[name] = self._predictions(probe.predict(features[test]), test)
        return predictions

    def _judge_finetuned(self, encoder: nn.Module, look: EncoderConfig) -> dict[str, Predictions]:
        config = self.config
        tuning = Finetuning(
            look, self.num_classes, config.num_epochs, config.batch_size, config.device, config.seed
        )
        predictions = {}
        for name, rows in self.subsets.items():
            network = tuning.fit(encoder, self.manifest.take(rows), self.groups[rows])
            probability, seen = tuning.predict(network, self.manifest.take(self.test))
            self.num_unread = int((~seen).sum())
            predictions[name] = self._predictions(probability[seen], self.test[seen])
        return predictions

    def _predictions(self, probability: np.ndarray, rows: np.ndarray) -> Predictions:
        return Predictions(probability, self.manifest.label[rows], self.groups[rows])
