"""Metrics: figures for people, added up batch by batch.

A metric keeps a vector of sums, so that an epoch can stop and go on anywhere and parts can be
added. It looks at the network's outputs as they are: the class of a row of logits is the
largest, that of a single logit is whether it is above 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, ShapeError
from pullback.core.registry import Registry
from pullback.engine import class_tally, total
from pullback.losses.base import Loss


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


def _true_classes(target: np.ndarray) -> np.ndarray:
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


@METRICS.register
@dataclass(frozen=True)
class Accuracy(Mean):
    """The share of examples whose class is right.

    Of outputs ``(N, ..., K)`` with positions, the share of positions; those with a class number
    below 0 are padding and do not count.
    """

    def add(self, sums: np.ndarray, y: np.ndarray, target: np.ndarray, weight: Any) -> None:
        """Add the examples, or their positions."""
        if y.ndim < 3 or target.shape != y.shape[:-1]:
            super().add(sums, y, target, weight)
            return
        there = (target >= 0).reshape(len(y), -1)
        right = (y.argmax(axis=-1) == target).reshape(len(y), -1) & there
        each = np.ones(len(y)) if weight is None else weight
        sums[0] += float(right.sum(axis=1) @ each)
        sums[1] += float(there.sum(axis=1) @ each)

    def each(self, y: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return whether each class is right."""
        right: np.ndarray = classes_of(y) == _true_classes(target)
        return right


@METRICS.register
@dataclass(frozen=True)
class TopK(Mean):
    """The share of examples whose class is among the ``k`` largest outputs."""

    k: int = 5

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"TopK: k={self.k!r}; expected a whole number of at least 1")

    def each(self, y: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return whether fewer than ``k`` outputs are larger than that of the true class."""
        if y.ndim != 2 or y.shape[1] < self.k:
            raise ShapeError(f"TopK(k={self.k}) needs at least {self.k} outputs, found {y.shape}")
        own = np.take_along_axis(y, _true_classes(target)[:, None], axis=1)
        near: np.ndarray = (~(y <= own)).sum(axis=1) < self.k  # no hit among NaN
        return near


@METRICS.register
@dataclass(frozen=True)
class MAE(Mean):
    """The mean absolute error, over examples and outputs."""

    def each(self, y: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the mean absolute error of each example."""
        error = np.abs(y - target.reshape(y.shape)).reshape(len(y), -1)
        mean: np.ndarray = error.mean(axis=1, dtype=np.float64)
        return mean


@METRICS.register
@dataclass(frozen=True)
class R2(Metric):
    """``1 - sum w (t - y)^2 / sum w (t - mean t)^2``: the share of variance explained.

    The mean over the outputs, where there are several.
    """

    def size(self, outputs: int) -> int:
        """Return 4 for each output: weight, total, squares, squared errors."""
        return 4 * outputs

    def add(self, sums: np.ndarray, y: np.ndarray, target: np.ndarray, weight: Any) -> None:
        """Add the moments of the targets and the squared errors."""
        t = target.reshape(len(y), -1).astype(np.float64)
        error = t - y.reshape(len(y), -1)
        w = np.ones((len(y), 1)) if weight is None else np.asarray(weight, np.float64)[:, None]
        moments = [(w * part).sum(axis=0) for part in (np.ones_like(t), t, t * t, error**2)]
        sums += np.concatenate(moments)

    def result(self, sums: np.ndarray) -> float:
        """Return R2; NaN where the targets of an output do not vary."""
        count, total, squares, errors = sums.reshape(4, -1)
        if not count.all():
            return float("nan")
        spread = squares - total * total / count
        return float((1 - errors / spread).mean()) if (spread > 0).all() else float("nan")


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
        cell = _true_classes(target).astype(np.int64) * classes + classes_of(y)
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


def metric_name(metric: Metric) -> str:
    """Return what a metric is called in histories: ``accuracy``, ``top5``, ``mae``, ..."""
    if isinstance(metric, TopK):
        return f"top{metric.k}"
    return type(metric).__name__.lower()


def usual_metrics(loss: Loss, classes: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return what is measured beside ``loss`` where nothing else is asked for."""
    return loss.metrics if classes is None else ("accuracy",)


def as_metrics(given: Any) -> tuple[Metric, ...]:
    """Return metrics of names (``"accuracy"``, ``"top5"``) and metrics."""
    found: list[Metric] = []
    for item in given:
        if isinstance(item, Metric):
            found.append(item)
        elif item.startswith("top") and item[3:].isdigit():
            found.append(TopK(int(item[3:])))
        else:
            found.append(METRICS.get(item)())
    return tuple(found)


class Tally:
    """The loss and the metrics of some examples, added up."""

    def __init__(self, metrics: tuple[Metric, ...], outputs: int, dtype: str) -> None:
        self.metrics = metrics
        self.sums = [np.zeros(2), *(np.zeros(metric.size(outputs)) for metric in metrics)]
        usual = metrics == (Accuracy(),)
        self.job = class_tally(self.sums[0], self.sums[1], dtype, outputs) if usual else None

    def clear(self) -> None:
        """Begin again."""
        for sums in self.sums:
            sums[:] = 0

    def add(
        self,
        values: np.ndarray,
        y: np.ndarray,
        target: np.ndarray,
        weight: Any,
        counted: Any = None,
    ) -> None:
        """Add a batch: its losses ``(N,)``, outputs, targets and weights.

        ``counted`` are the weights of the losses where they are not those of the examples, as
        ``term_weights`` has them.
        """
        if self.job is not None and weight is None and self.job.fits(values, y, target):
            self.job.add(values, y, target)
            return
        mass = weight if counted is None else counted
        self.sums[0][0] += total(values if mass is None else values * mass)
        self.sums[0][1] += len(values) if mass is None else float(mass.sum())
        for i, metric in enumerate(self.metrics, start=1):
            metric.add(self.sums[i], y, target, weight)

    def results(self, prefix: str = "") -> dict[str, Any]:
        """Return ``{"loss": ..., metric: ...}``, each name after ``prefix``."""
        mass, weight = self.sums[0]
        found: dict[str, Any] = {f"{prefix}loss": float(mass / weight) if weight else float("nan")}
        for metric, sums in zip(self.metrics, self.sums[1:], strict=True):
            found[prefix + metric_name(metric)] = metric.result(sums)
        return found
