"""Losses on tensors."""

from __future__ import annotations

from typing import Any

import torch

from pullback.losses.base import Loss
from pullback.losses.classification import CrossEntropy


class TensorCrossEntropy(Loss):
    """``CrossEntropy`` on class numbers, without smoothing; other targets go to the source.

    Nothing waits for the device: a class number out of range makes its value NaN, which the step
    finds and the source explains.
    """

    def __init__(self, source: CrossEntropy) -> None:
        self.source = source

    def forward(self, y: Any, target: Any) -> tuple[Any, Any]:
        """Return the values in nats and their slopes."""
        fits = tuple(target.shape) == tuple(y.shape[:-1]) and target.dtype == torch.int64
        if not fits or not y.numel():
            return self.source.forward(y, target)
        if y.ndim > 2:
            return self._positions(y, target)
        number = target.clamp(0, y.shape[1] - 1)
        log_p = torch.log_softmax(y, 1)
        found = log_p.gather(1, number[:, None])[:, 0]
        values = torch.where(number == target, -found, torch.nan)
        slope = torch.exp(log_p).scatter_(1, number[:, None], -1.0, reduce="add")
        return values, slope

    def _positions(self, y: Any, target: Any) -> tuple[Any, Any]:
        """Return the means over positions; those with a class number below 0 do not count."""
        there = target >= 0
        each, slope = self.forward(y.flatten(0, -2), target.clamp(min=0).flatten())
        there = there.flatten(1)
        counts = there.to(y.dtype)
        share = counts / counts.sum(1, keepdim=True).clamp(min=1)
        each = torch.where(there, each.unflatten(0, there.shape), 0)
        return (each * share).sum(1), (slope.mul_(share.reshape(-1, 1))).reshape(y.shape)

    def terms(self, target: Any) -> Any:
        """Return those of the source."""
        return self.source.terms(target)

    def link(self, y: Any) -> Any:
        """Return the probabilities."""
        return self.source.link(y)


def lower_tensor_loss(loss: Loss) -> Loss:
    """Return the form of ``loss`` on tensors, or ``loss`` where there is none."""
    if type(loss) is CrossEntropy and loss.class_weights is None and not loss.label_smoothing:
        return TensorCrossEntropy(loss)
    return loss
