"""What all metrics share.

A metric keeps a vector of sums, so that an epoch can stop and go on anywhere and parts can be
added. It looks at the network's outputs as they are: the class of a row of logits is the
largest, that of a single logit is whether it is above 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pullback.core.registry import Registry


class Metric:
    """Base: ``add`` a batch into ``sums``, and read the ``result`` from them."""

    def size(self, outputs: int) -> int:
        """Return the length of the vector of sums for a network of so many outputs."""
        raise NotImplementedError

    def add(self, sums: np.ndarray, y: np.ndarray, target: np.ndarray, weight: Any) -> None:
        """Add a batch: outputs ``y (N, K)``, targets, and weights ``(N,)`` or None."""
        raise NotImplementedError

    def result(self, sums: np.ndarray) -> Any:
        """Return the figure."""
        raise NotImplementedError


METRICS: Registry[Metric] = Registry("metric")


def classes_of(y: np.ndarray) -> np.ndarray:
    """Return ``(N,)`` class numbers of outputs ``(N, K)``, or of one logit ``(N, 1)``/``(N,)``."""
    if y.ndim == 1 or y.shape[1] == 1:
        decided: np.ndarray = (y.reshape(-1) > 0).astype(np.int64)
        return decided
    found: np.ndarray = y.argmax(axis=1)
    return found


def true_classes(target: np.ndarray) -> np.ndarray:
    """Return ``(N,)`` class numbers of class numbers, or of rows of probabilities."""
    if target.ndim == 2 and target.shape[1] > 1:
        rows: np.ndarray = target.argmax(axis=1)
        return rows
    flat = target if target.ndim == 1 else target.reshape(-1)
    return flat if flat.dtype.kind in "ui" else (flat > 0.5).astype(np.int64)


class Mean(Metric):
    """Base of the weighted means: sums are the weighted total and the total weight."""

    def size(self, outputs: int) -> int:
        """Return 2."""
        return 2

    def each(self, y: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return ``(N,)`` the figure of each example."""
        raise NotImplementedError

    def add(self, sums: np.ndarray, y: np.ndarray, target: np.ndarray, weight: Any) -> None:
        """Add the examples' figures."""
        values = self.each(y, target)
        if weight is None:
            whole = values.dtype == bool
            sums[0] += np.count_nonzero(values) if whole else np.add.reduce(values)
            sums[1] += len(values)
        else:
            sums[0] += float((values * weight).sum())
            sums[1] += float(weight.sum())

    def result(self, sums: np.ndarray) -> float:
        """Return the mean."""
        return float(sums[0] / sums[1]) if sums[1] else float("nan")
