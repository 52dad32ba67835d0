"""Metrics that count, for every class, how often it was given which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.train.metric import METRICS, Metric, classes_of, true_classes


@METRICS.register
@dataclass(frozen=True)
class Confusion(Metric):
    """Weighted counts ``M[t, c]`` of examples of class ``t`` that were given class ``c``."""

    def size(self, outputs: int) -> int:
        """Return the entries of the matrix."""
        return max(outputs, 2) ** 2

    def add(self, sums: np.ndarray, y: np.ndarray, target: np.ndarray, weight: Any) -> None:
        """Count a batch."""
        classes = round(len(sums) ** 0.5)
        cell = true_classes(target).astype(np.int64) * classes + classes_of(y)
        sums += np.bincount(cell, weights=weight, minlength=len(sums))

    def matrix(self, sums: np.ndarray) -> np.ndarray:
        """Return the square matrix."""
        classes = round(len(sums) ** 0.5)
        square: np.ndarray = sums.reshape(classes, classes)
        return square

    def result(self, sums: np.ndarray) -> Any:
        """Return the matrix as rows."""
        return self.matrix(sums).tolist()


class ClassAverage(Confusion):
    """Base of what is worked out for each class and averaged over the classes (macro average).

    A class that the ratio is undefined for counts as 0.
    """

    def each_class(self, hit: np.ndarray, true: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Return the figure of each class, from its hits, true examples and predictions."""
        raise NotImplementedError

    def result(self, sums: np.ndarray) -> Any:
        """Return the average over the classes that occur, as truth or as prediction."""
        matrix = self.matrix(sums)
        hit, true, given = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
        present = (true + given) > 0
        values = self.each_class(hit, true, given)
        return float(values[present].mean()) if present.any() else float("nan")


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.divide(top, bottom, out=np.zeros(len(top)), where=bottom > 0)
    return shares


@METRICS.register
@dataclass(frozen=True)
class Precision(ClassAverage):
    """Of the examples given a class, the share that has it; averaged over classes."""

    def each_class(self, hit: np.ndarray, true: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Return hits over predictions."""
        return _ratio(hit, given)


@METRICS.register
@dataclass(frozen=True)
class Recall(ClassAverage):
    """Of the examples of a class, the share that was given it; averaged over classes."""

    def each_class(self, hit: np.ndarray, true: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Return hits over true examples."""
        return _ratio(hit, true)


@METRICS.register
@dataclass(frozen=True)
class F1(ClassAverage):
    """``2 P R / (P + R)`` of precision and recall, for each class; averaged over classes."""

    def each_class(self, hit: np.ndarray, true: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Return twice the hits over predictions and true examples together."""
        return _ratio(2 * hit, true + given)


@METRICS.register
@dataclass(frozen=True)
class MeanIoU(ClassAverage):
    """Intersection over union of each class's positions, ``TP / (TP + FP + FN)``; averaged.

    Outputs ``(N, ..., K)`` and targets ``(N, ...)`` have axes of positions; all positions of all
    examples are counted together.
    """

    def add(self, sums: np.ndarray, y: np.ndarray, target: np.ndarray, weight: Any) -> None:
        """Count the positions of a batch."""
        classes = round(len(sums) ** 0.5)
        cell = target.reshape(-1).astype(np.int64) * classes + y.argmax(axis=-1).reshape(-1)
        each = None if weight is None else np.repeat(weight, cell.size // max(len(y), 1))
        sums += np.bincount(cell, weights=each, minlength=len(sums))

    def each_class(self, hit: np.ndarray, true: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Return hits over what is true or given."""
        return _ratio(hit, true + given - hit)
