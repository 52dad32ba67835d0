"""Every loss by PyTorch's own functions: what ours are compared with."""

from __future__ import annotations

from collections.abc import Callable

import torch

F = torch.nn.functional


def rows(y, t):
    """Targets in the shape of the outputs; class numbers as rows with a one."""
    if t.ndim == 1 and y.ndim == 2 and y.shape[1] > 1:
        t = F.one_hot(t.long(), y.shape[1])
    return t.reshape(y.shape).to(y)


def cross_entropy(loss, y, t):
    weight = None if loss.class_weights is None else torch.tensor(loss.class_weights).to(y)
    t = t.to(y) if t.ndim == 2 else t.long()
    smoothing = loss.label_smoothing
    return F.cross_entropy(y, t, weight, reduction="none", label_smoothing=smoothing)


def binary(loss, y, t):
    values = F.binary_cross_entropy_with_logits(y, rows(y, t), reduction="none")
    return per_example(values)


def divergence(loss, y, t):
    return F.kl_div(F.log_softmax(y, dim=1), rows(y, t), reduction="none").sum(dim=1)


def per_example(values):
    return values.reshape(len(values), -1).mean(dim=1)


def huber(loss, y, t):
    return per_example(F.huber_loss(y, rows(y, t), reduction="none", delta=loss.delta))


def half_squared(loss, y, t):
    values = F.mse_loss(y, rows(y, t), reduction="none")
    return values.reshape(len(y), -1).sum(dim=1) / 2


THEIRS: dict[str, Callable] = {
    "CrossEntropy": cross_entropy,
    "BinaryCrossEntropy": binary,
    "KLDivergence": divergence,
    "HalfSquaredError": half_squared,
    "SquaredError": lambda loss, y, t: per_example(F.mse_loss(y, rows(y, t), reduction="none")),
    "AbsoluteError": lambda loss, y, t: per_example(F.l1_loss(y, rows(y, t), reduction="none")),
    "Huber": huber,
}
LINKS: dict[str, Callable] = {
    "CrossEntropy": lambda y: F.softmax(y, dim=1),
    "KLDivergence": lambda y: F.softmax(y, dim=1),
    "BinaryCrossEntropy": torch.sigmoid,
}
