"""Whether probabilities mean what they say, and what makes them do so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pullback.core.errors import DataError
from pullback.core.stable import sigmoid

STEPS, ENOUGH = 100, 1e-10
"""Newton steps at most, and the gradient at which they end."""
TEXT = {"one kind": "all {count} examples are of one class; calibration needs both"}


class Reliability(NamedTuple):
    """Bins of probabilities: how many, the mean, and the share that is true; bins with examples."""

    examples: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray


def reliability(true: np.ndarray, p: np.ndarray, bins: int = 10) -> Reliability:
    """Return how often what is ``p`` probable is true, in bins of equal width from 0 to 1."""
    place = np.minimum((np.asarray(p, np.float64) * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    there = count > 0
    sums = [np.bincount(place, weights=w, minlength=bins)[there] for w in (p, true)]
    return Reliability(count[there], sums[0] / count[there], sums[1] / count[there])


def calibration_error(true: np.ndarray, p: np.ndarray, bins: int = 10) -> float:
    """Return the expected calibration error: the mean distance in a bin, weighed by its examples.

    Naeini, Cooper, Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning"
    (2015), for the probability of one of two classes.
    """
    count, predicted, observed = reliability(true, p, bins)
    return float(count @ np.abs(predicted - observed) / count.sum())


def brier(true: np.ndarray, p: np.ndarray) -> float:
    """Return the mean squared distance of ``p`` from 1 where it is true, from 0 elsewhere.

    Brier, "Verification of forecasts expressed in terms of probability" (1950), halved.
    """
    return float(((p - np.asarray(true, np.float64)) ** 2).mean())


@dataclass(frozen=True)
class Platt:
    """The probability ``sigmoid(slope * z + offset)`` for a logit ``z``.

    Platt, "Probabilistic outputs for support vector machines" (1999). With an offset of 0 it is
    temperature scaling.
    """

    slope: float
    offset: float

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Return the probabilities of logits."""
        found: np.ndarray = sigmoid(np, self.slope * np.asarray(z, np.float64) + self.offset)
        return found


def fit_platt(true: np.ndarray, z: np.ndarray) -> Platt:
    r"""Return the most likely slope and offset for logits of examples not trained on.

    By Newton's method, on targets :math:`(N_+ + 1)/(N_+ + 2)` and :math:`1/(N_- + 2)` in place of 1
    and 0, as Platt has it, so that the slope stays finite where the logits tell all apart.

    Raises:
        DataError: one class only.
    """
    true = np.asarray(true, bool)
    positive = int(true.sum())
    negative = len(true) - positive
    if not positive or not negative:
        raise DataError(TEXT["one kind"].format(count=len(true)))
    t = np.where(true, (positive + 1) / (positive + 2), 1 / (negative + 2))
    x = np.stack([np.asarray(z, np.float64), np.ones(len(true))], axis=1)

    def loss(w: np.ndarray) -> float:
        y = x @ w
        return float((np.logaddexp(0, y) - t * y).mean())

    w = np.array([0.0, np.log((positive + 1) / (negative + 1))])
    for _ in range(STEPS):
        p = sigmoid(np, x @ w)
        gradient = x.T @ (p - t) / len(t)
        if np.abs(gradient).max() < ENOUGH:
            break
        curvature = (x * (p * (1 - p))[:, None]).T @ x / len(t) + 1e-12 * np.eye(2)
        step, size = np.linalg.solve(curvature, gradient), 1.0
        while loss(w - size * step) > loss(w) and size > 1e-8:
            size /= 2
        w = w - size * step
    return Platt(float(w[0]), float(w[1]))
