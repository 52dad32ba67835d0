"""Losses as jobs: the cases that training spends its time on, in one pass."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from pullback.engine.lower import DTYPES
from pullback.engine.team import Job, not_replayable
from pullback.losses.base import Loss
from pullback.losses.classification import CrossEntropy
from pullback.losses.weighted import WeightedSum


class LoweredCrossEntropy(Loss):
    """``CrossEntropy`` on class numbers, without class weights; other targets go to the source.

    Of outputs with positions, a value is the mean over those whose class number is not below 0.

    Values, slopes and cotangents live until the next forward pass. A class number out of range
    is explained by the source; in a batch that is replayed, its value is NaN.
    """

    jobs_only = True

    def __init__(self, source: CrossEntropy) -> None:
        self.source = source
        self._slope: np.ndarray = np.empty((0, 0))
        self._gy: np.ndarray = self._slope
        self._values = np.empty(0)
        self._room = self._room_for_gy = np.empty(0)

    def forward(self, y: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the values in nats and their slopes."""
        if not _class_numbers(y, target) or y.dtype.name not in DTYPES:
            not_replayable()
            return self.source.forward(y, target)
        if y.shape != self._slope.shape or y.dtype != self._slope.dtype:
            self._make_room(y)
        self._forward(len(y), y, target.astype(np.int64, copy=False), self._values, self._slope)
        return self._values, self._slope

    def _make_room(self, y: np.ndarray) -> None:
        from pullback.engine.kernels.losses import cross_entropy, scaled_rows

        positions, classes = math.prod(y.shape[1:-1]), y.shape[-1]
        if y.shape[1:] != self._slope.shape[1:] or y.dtype != self._slope.dtype:
            # an exponential is worth some multiply-adds
            dtype, size, work = y.dtype.name, positions * classes, 20 * positions * classes
            sizes = positions, classes, y.ndim > 2
            self._forward = Job(cross_entropy, dtype, 4, sizes, 1, work)
            self._forward.numbers[0] = self.source.label_smoothing
            self._pull = Job(scaled_rows, dtype, 3, (size,), work=size)
        if y.size > self._room.size or y.dtype != self._room.dtype:  # batches may differ in length
            self._room, self._room_for_gy = np.empty(y.size, y.dtype), np.empty(y.size, y.dtype)
        self._slope, self._gy = (
            room[: y.size].reshape(y.shape) for room in (self._room, self._room_for_gy)
        )
        self._values = np.empty(len(y), y.dtype)

    def pullback(self, slope: Any, g: np.ndarray) -> np.ndarray:
        """Return the cotangent of the outputs for cotangents ``g (N,)`` of the values."""
        if slope is not self._slope or g.dtype != slope.dtype:
            not_replayable()
            gy: np.ndarray = self.source.pullback(slope, g)
            return gy
        self._pull(len(g), slope, g, self._gy)
        return self._gy

    def terms(self, target: np.ndarray) -> np.ndarray | None:
        """Return how many positions of each example have a class."""
        found: np.ndarray | None = self.source.terms(target)
        return found

    def link(self, y: np.ndarray) -> np.ndarray:
        """Return the probabilities."""
        probabilities: np.ndarray = self.source.link(y)
        return probabilities


def _class_numbers(y: np.ndarray, target: np.ndarray) -> bool:
    """Whether targets are class numbers in range; what is not, the source explains."""
    if y.ndim < 2 or target.shape != y.shape[:-1] or target.dtype.kind not in "ui" or not y.size:
        return False
    if y.ndim > 2:  # below 0 is padding
        return bool(target.max() < y.shape[-1])
    # As unsigned numbers, those below 0 are too large as well: one pass for both bounds.
    return bool(target.view(f"u{target.itemsize}").max() < y.shape[1])


def lower_loss(loss: Loss) -> Loss:
    """Return the lowered form of ``loss``, or ``loss`` where there is none."""
    if type(loss) is CrossEntropy and loss.class_weights is None:
        return LoweredCrossEntropy(loss)
    if type(loss) is WeightedSum:
        return replace(loss, losses=tuple(map(lower_loss, loss.losses)))
    return loss
