"""The linear probe: multinomial logistic regression on frozen, standardised features.

Enters: features, labels and patients of the rows to learn from. Leaves: class probabilities of
other rows. Next: `scores`.
"""

from __future__ import annotations

import warnings

import numpy as np

from gca_dali.ssl.splits import VALIDATION_SHARE, hold_out

PENALTIES = tuple(10.0**power for power in range(-4, 4))
_MAX_ITERATIONS = 500


def fit_linear_probe(
    features: np.ndarray, label: np.ndarray, groups: np.ndarray, num_classes: int, seed: int
) -> LinearProbe:
    """Fit a probe; its penalty is the one that does best on held-out patients.

    Parameters
    ----------
    features : numpy.ndarray, float32, [N, D]
        Of the rows to learn from.
    label : numpy.ndarray, int64, [N]
        Their classes, below `num_classes`.
    groups : numpy.ndarray, int64, [N]
        Their patients: a fifth of them chooses the penalty, then all are fitted.
    num_classes : int
        Columns of the probabilities.
    seed : int
        Of the choice of that fifth.

    Returns
    -------
    LinearProbe
        Ready to predict.
    """
    probes = [LinearProbe(penalty, num_classes) for penalty in PENALTIES]
    held_out = hold_out(groups, VALIDATION_SHARE, seed)
    # One patient, or one class left to fit, decides nothing: the middle penalty stands.
    if not held_out.any() or len(np.unique(label[~held_out])) < 2:
        return LinearProbe(1.0, num_classes).fit(features, label)
    losses = [
        probe.fit(features[~held_out], label[~held_out]).loss(features[held_out], label[held_out])
        for probe in probes
    ]
    return probes[int(np.argmin(losses))].fit(features, label)


class LinearProbe:
    """Standardisation and logistic regression of one penalty.

    Parameters
    ----------
    penalty : float
        Weight of the ℓ2 norm, relative to the mean loss over the rows.
    num_classes : int
        Columns of the probabilities.
    """

    def __init__(self, penalty: float, num_classes: int) -> None:
        self.penalty, self.num_classes = penalty, num_classes

    def fit(self, features: np.ndarray, label: np.ndarray) -> LinearProbe:
        """Fit to rows and return self."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        # scikit-learn weighs the sum over the rows, so C falls as they grow in number.
        strength = 1 / (self.penalty * len(label))
        model = LogisticRegression(C=strength, max_iter=_MAX_ITERATIONS)
        self._pipeline = make_pipeline(StandardScaler(), model)
        with warnings.catch_warnings():
            # A weak penalty on separable rows has no end to reach; the validation part decides.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._pipeline.fit(features.astype(np.float64), label)
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return class probabilities, float64, [N, K]; 0 for classes that were not learnt."""
        probability = np.zeros((len(features), self.num_classes))
        known = self._pipeline.classes_
        probability[:, known] = self._pipeline.predict_proba(features.astype(np.float64))
        return probability

    def loss(self, features: np.ndarray, label: np.ndarray) -> float:
        """Return the mean cross-entropy, which sees more than accuracy does in a few rows."""
        chosen = self.predict(features)[np.arange(len(label)), label]
        return float(-np.log(np.maximum(chosen, 1e-6)).mean())
