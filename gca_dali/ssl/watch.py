"""A cheap look at the features while they are learnt: the nearest labelled neighbours.

Enters: a manifest with labels. Leaves: the share of test images whose neighbours among the
training images agree with their label. Next: the logs. A full judgement is that of `probe`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from gca_dali.ssl.features import extract_features
from gca_dali.ssl.splits import split_rows

if TYPE_CHECKING:
    from torch import nn

    from gca_dali.data.manifest import Manifest
    from gca_dali.ssl.encoders import EncoderConfig

MAX_ROWS = 1000
NUM_NEIGHBOURS = 20
# As in DINO's evaluation (Caron et al. 2021, following Wu et al. 2018).
TEMPERATURE = 0.07


class LabelWatch:
    """Classifies by the k nearest neighbours, on at most a thousand images of each side.

    Parameters
    ----------
    manifest : Manifest
        With labels; split as `probe` splits it.
    config : EncoderConfig
        Of the encoder.
    device : str
        "auto", "cpu" or "cuda".
    seed : int
        Of split and choice.

    Raises
    ------
    ValueError
        If fewer than two classes can be learnt or nothing is left to test on.
    """

    def __init__(self, manifest: Manifest, config: EncoderConfig, device: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        sides = [_choose(rows, rng) for rows in split_rows(manifest, seed)]
        self._num_train = len(sides[0])
        self._rows = manifest.take(np.concatenate(sides))
        self._config, self._device = config, device

    def look(self, encoder: nn.Module) -> dict[str, float]:
        """Return "knn_accuracy" of an encoder, which is left as it was.

        Parameters
        ----------
        encoder : torch.nn.Module
            Maps [B, C, H, W] to [B, D].

        Returns
        -------
        dict of float
            For the logs.
        """
        was_training = encoder.training
        features, seen = extract_features(
            encoder, self._config, self._rows, 64, self._device, shown=False
        )
        encoder.train(was_training)
        train = np.arange(len(self._rows)) < self._num_train
        found = classify_by_neighbours(
            features[seen & train], self._rows.label[seen & train], features[seen & ~train]
        )
        return {"knn_accuracy": float((found == self._rows.label[seen & ~train]).mean())}


def classify_by_neighbours(
    known: np.ndarray, label: np.ndarray, features: np.ndarray, num_neighbours: int = NUM_NEIGHBOURS
) -> np.ndarray:
    """Return the class that the nearest known features vote for, weighted by their similarity.

    Parameters
    ----------
    known : numpy.ndarray, float32, [N, D]
        Features with a label.
    label : numpy.ndarray, int64, [N]
        Their classes.
    features : numpy.ndarray, float32, [M, D]
        Features to classify.
    num_neighbours : int
        At most; fewer where fewer are known.

    Returns
    -------
    numpy.ndarray, int64, [M]
        Classes.
    """
    center = known.mean(0)
    one, other = (
        torch.nn.functional.normalize(torch.from_numpy(x - center)) for x in (features, known)
    )
    near, index = (one @ other.T).topk(min(num_neighbours, len(known)))
    votes = torch.nn.functional.one_hot(torch.from_numpy(label)[index]).float()
    return (votes * (near / TEMPERATURE).exp().unsqueeze(-1)).sum(1).argmax(1).numpy()


def _choose(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.permutation(rows)[:MAX_ROWS])
