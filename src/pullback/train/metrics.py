"""Metrics: figures for people, added up batch by batch; see ``pullback.train.metric``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, ShapeError
from pullback.engine import class_tally, total
from pullback.losses.base import Loss
from pullback.train.class_metrics import F1, ClassAverage, Confusion, MeanIoU, Precision, Recall
from pullback.train.metric import METRICS, Mean, Metric, classes_of, true_classes

__all__ = [
    "F1",
    "LER",
    "MAE",
    "METRICS",
    "R2",
    "Accuracy",
    "ClassAverage",
    "Confusion",
    "Mean",
    "MeanIoU",
    "Metric",
    "Precision",
    "Recall",
    "Tally",
    "TopK",
    "as_metrics",
    "classes_of",
    "metric_name",
    "usual_metrics",
]


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
        right: np.ndarray = classes_of(y) == true_classes(target)
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
        own = np.take_along_axis(y, true_classes(target)[:, None], axis=1)
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
class LER(Metric):
    """The label error rate of ``CTC``: edits of all sequences over the labels of all targets.

    What is found is what the largest output of each frame spells; targets are those of the loss.
    With digits for labels it is the digit error rate. Graves and others (2006), section 2.1.
    """

    def size(self, outputs: int) -> int:
        """Return 2."""
        return 2

    def add(self, sums: np.ndarray, y: np.ndarray, target: np.ndarray, weight: Any) -> None:
        """Add the edits and the labels of a batch."""
        from pullback.decode import ctc_greedy, edit_distance

        right = [row[row > 0].tolist() for row in target[:, 1:]]
        found = ctc_greedy(y, target[:, 0])
        each = np.ones(len(y)) if weight is None else weight
        sums[0] += float(np.array(list(map(edit_distance, found, right)), float) @ each)
        sums[1] += float(np.array(list(map(len, right)), float) @ each)

    def result(self, sums: np.ndarray) -> float:
        """Return edits over labels; NaN where there are none."""
        return float(sums[0] / sums[1]) if sums[1] else float("nan")


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
