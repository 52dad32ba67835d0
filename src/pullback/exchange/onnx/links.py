"""What a model's loss makes of the outputs: probabilities, where it has any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pullback.core.errors import ConfigError
from pullback.exchange.onnx.graph import Graph, Value
from pullback.losses import (
    CTC,
    BinaryCrossEntropy,
    CrossEntropy,
    Dice,
    Focal,
    GIoU,
    KLDivergence,
    Loss,
    WeightedSum,
)

TEXT = {"no_link": "{title} makes predictions of outputs in a way that has no form in ONNX"}
SOFTMAX = (CrossEntropy, KLDivergence, CTC, Dice)
SIGMOID = (BinaryCrossEntropy, Focal)


def linked(g: Graph, loss: Loss, y: Value) -> str:
    """Write ``loss.link`` of outputs ``y``.

    Raises:
        ConfigError: the loss is not known here.
    """
    if type(loss).link is Loss.link:
        return y.name
    if isinstance(loss, SOFTMAX):
        return g.op("Softmax", y.name, axis=-1)
    if isinstance(loss, SIGMOID):
        return g.op("Sigmoid", y.name)
    axis, width = y.rank - 1, y.spec.shape[-1] if y.spec.shape else 0
    if isinstance(loss, GIoU):
        sizes = g.op("Softplus", g.cut(y.name, axis, 2, width))
        return g.op("Concat", g.cut(y.name, axis, 0, 2), sizes, axis=axis)
    if isinstance(loss, WeightedSum):
        return _parts(g, loss, y)
    raise ConfigError(TEXT["no_link"].format(title=type(loss).__name__))


def _parts(g: Graph, loss: WeightedSum, y: Value) -> str:
    if not loss.widths:
        return linked(g, loss.losses[0], y)
    parts: list[Any] = []
    start = 0
    for each, width in zip(loss.losses, loss.widths, strict=True):
        spec = replace(y.spec, shape=(*y.spec.shape[:-1], width))
        part = Value(g.cut(y.name, y.rank - 1, start, start + width), spec)
        parts.append(linked(g, each, part))
        start += width
    return g.op("Concat", *parts, axis=y.rank - 1)
