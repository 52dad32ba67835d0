"""Losses on NumPy: the cases that training spends its time on, in fewer passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pullback.losses.base import Loss
from pullback.losses.classification import CrossEntropy


class LoweredCrossEntropy(Loss):
    r"""``CrossEntropy`` on class numbers, without class weights.

    With ``z`` the outputs less their largest and :math:`s = \sum_k e^{z_k}`, the value is
    :math:`\log s - (1 - \epsilon) z_t - \frac{\epsilon}{K} \sum_k z_k`, and the slope
    :math:`e^z / s` less the target's share. Other targets go to the source.
    """

    def __init__(self, source: CrossEntropy) -> None:
        self.source = source
        self._ones = np.ones((0, 1))

    def forward(self, y: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the values in nats and their slopes."""
        if not _class_numbers(y, target):
            return self.source.forward(y, target)
        count, classes = y.shape
        smoothing = self.source.label_smoothing
        starts = np.arange(0, count * classes, classes)
        at_target = starts + target
        # On short rows, looking up the largest and adding up by a product is several times as
        # fast as NumPy's reductions along them.
        # in C order, whatever that of y: the slope is changed in place, seen as one row
        z = np.subtract(y, y.take(starts + y.argmax(axis=1))[:, None], order="C")
        values = z.take(at_target)
        if smoothing:
            values *= 1 - smoothing
            values += z.sum(axis=1) * (smoothing / classes)
        slope = np.exp(z, out=z)
        total = slope @ self._column_of_ones(classes, y.dtype)
        slope /= total
        if smoothing:
            slope -= smoothing / classes
        slope.reshape(-1)[at_target] -= 1 - smoothing
        return np.log(total[:, 0]) - values, slope

    def _column_of_ones(self, classes: int, dtype: np.dtype[Any]) -> np.ndarray:
        if self._ones.shape[0] != classes or self._ones.dtype != dtype:
            self._ones = np.ones((classes, 1), dtype)
        return self._ones

    def link(self, y: np.ndarray) -> np.ndarray:
        """Return the probabilities."""
        probabilities: np.ndarray = self.source.link(y)
        return probabilities


def _class_numbers(y: np.ndarray, target: np.ndarray) -> bool:
    """Whether targets are class numbers in range; what is not, the source explains."""
    if y.ndim != 2 or target.shape != (len(y),) or target.dtype.kind not in "ui" or not len(y):
        return False
    # As unsigned numbers, those below 0 are too large as well: one pass for both bounds.
    return bool(target.view(f"u{target.itemsize}").max() < y.shape[1])


def lower_loss(loss: Loss) -> Loss:
    """Return the lowered form of ``loss``, or ``loss`` where there is none."""
    if type(loss) is CrossEntropy and loss.class_weights is None:
        return LoweredCrossEntropy(loss)
    return loss
