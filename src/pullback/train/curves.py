"""Curves of a test that says yes or no above a threshold, and the areas under them.

Everywhere ``true (N,)`` says whether an example has what is looked for, and ``scores (N,)`` are the
higher, the surer the model is that it has. Both kinds must be there.
"""

from __future__ import annotations

import numpy as np

from pullback.core.errors import DataError

TEXT = {
    "one kind": "all {count} examples are of one class; a curve needs both",
    "shapes": "{true} answers and {scores} scores; expected as many of both, on one axis",
}


def counts(true: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hits, false alarms and thresholds: what is found where ``scores >= threshold``.

    The thresholds are the different scores, falling; before them stands infinity, where nothing is
    found.

    Raises:
        DataError: shapes that do not fit, or one class only.
    """
    true, scores = np.asarray(true, bool), np.asarray(scores, np.float64)
    if true.ndim != 1 or true.shape != scores.shape:
        raise DataError(TEXT["shapes"].format(true=true.shape, scores=scores.shape))
    if not 0 < np.count_nonzero(true) < len(true):
        raise DataError(TEXT["one kind"].format(count=len(true)))
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(true) - 1)
    hits = np.cumsum(true[order])[last]
    return (
        np.append(0, hits),
        np.append(0, last + 1 - hits),
        np.append(np.inf, scores[order][last]),
    )


def roc_curve(true: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``1 - specificity``, the sensitivity, and the thresholds."""
    hits, alarms, thresholds = counts(true, scores)
    return alarms / alarms[-1], hits / hits[-1], thresholds


def precision_recall_curve(
    true: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the recall, the precision, and the thresholds.

    The precision where nothing is found is taken to be that of the highest scores.
    """
    hits, alarms, thresholds = counts(true, scores)
    precision = hits[1:] / (hits[1:] + alarms[1:])
    return hits / hits[-1], np.append(precision[0], precision), thresholds


def area_under_roc(scores: np.ndarray, true: np.ndarray) -> float:
    """Return how often one that is true has the higher score than one that is not.

    Equal scores count a half. Hanley and McNeil, "The meaning and use of the area under a receiver
    operating characteristic (ROC) curve" (1982).
    """
    values, where = np.unique(scores, return_inverse=True)
    hits = np.bincount(where[true], minlength=len(values))
    others = np.bincount(where[~true], minlength=len(values))
    below = np.cumsum(others) - others / 2
    return float(hits @ below / (hits.sum() * others.sum()))


def average_precision(scores: np.ndarray, true: np.ndarray) -> float:
    r"""Return :math:`\sum_t (R_t - R_{t-1}) P_t` over the thresholds, of recall and precision."""
    recall, precision, _ = precision_recall_curve(true, scores)
    return float(np.diff(recall) @ precision[1:])


def sensitivity_at(true: np.ndarray, scores: np.ndarray, specificity: float) -> tuple[float, float]:
    """Return the highest sensitivity with at least this specificity, and its threshold."""
    wrong, sensitivity, thresholds = roc_curve(true, scores)
    best = int(np.flatnonzero(1 - wrong >= specificity - 1e-12)[-1])
    return float(sensitivity[best]), float(thresholds[best])


def specificity_at(true: np.ndarray, scores: np.ndarray, sensitivity: float) -> tuple[float, float]:
    """Return the highest specificity with at least this sensitivity, and its threshold."""
    wrong, found, thresholds = roc_curve(true, scores)
    best = int(np.flatnonzero(found >= sensitivity - 1e-12)[0])
    return float(1 - wrong[best]), float(thresholds[best])


def risk_coverage(right: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of examples answered, and the share of errors among these.

    The surest are answered first; of equally sure ones all or none. Geifman and El-Yaniv,
    "Selective classification for deep neural networks" (2017).
    """
    order = np.argsort(-confidence, kind="stable")
    last = np.append(np.flatnonzero(np.diff(confidence[order])), len(right) - 1)
    answered = last + 1
    errors = np.cumsum(~np.asarray(right, bool)[order])[last]
    return answered / len(right), errors / answered
