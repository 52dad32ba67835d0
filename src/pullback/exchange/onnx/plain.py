"""Products, functions of single numbers, normalisation and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pullback.exchange.onnx.graph import Place, Value
from pullback.exchange.onnx.registry import exports
from pullback.maps import (
    ELU,
    GELU,
    BatchNorm,
    ChannelDropout,
    Channels,
    Columns,
    Dropout,
    Flatten,
    GroupNorm,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogSoftmax,
    ReLU,
    Reshape,
    RMSNorm,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    UnitNorm,
)
from pullback.maps.elementwise import GELU_CUBIC, GELU_SCALE


@exports(Linear)
def _linear(net: Linear, x: Value, at: Place) -> str:
    y = at.graph.op("MatMul", x.name, at.weight("W"))
    return at.graph.op("Add", y, at.weight("b")) if net.bias else y


@exports(Dropout, ChannelDropout)
def _same(net: Any, x: Value, at: Place) -> str:
    return at.graph.op("Identity", x.name)


OPS: dict[type, str] = {ReLU: "Relu", Sigmoid: "Sigmoid", Tanh: "Tanh", Softplus: "Softplus"}


@exports(*OPS)
def _function(net: Any, x: Value, at: Place) -> str:
    return at.graph.op(OPS[type(net)], x.name)


@exports(LeakyReLU)
def _leaky(net: LeakyReLU, x: Value, at: Place) -> str:
    return at.graph.op("LeakyRelu", x.name, alpha=float(net.negative_slope))


@exports(ELU)
def _elu(net: ELU, x: Value, at: Place) -> str:
    return at.graph.op("Elu", x.name, alpha=float(net.alpha))


@exports(SiLU)
def _silu(net: SiLU, x: Value, at: Place) -> str:
    return at.graph.op("Mul", x.name, at.graph.op("Sigmoid", x.name))


@exports(GELU)
def _gelu(net: GELU, x: Value, at: Place) -> str:
    g, name = at.graph, x.name
    if g.opset >= 20:
        return g.op("Gelu", name, approximate="tanh")
    cube = g.op("Mul", g.op("Mul", name, name), g.op("Mul", name, g.constant(GELU_CUBIC)))
    inner = g.op("Mul", g.op("Add", name, cube), g.constant(2 * GELU_SCALE))
    return g.op("Mul", name, g.op("Sigmoid", inner))


@exports(Softmax, LogSoftmax)
def _softmax(net: Any, x: Value, at: Place) -> str:
    return at.graph.op(type(net).__name__, x.name, axis=-1)


@exports(LayerNorm)
def _layer_norm(net: LayerNorm, x: Value, at: Place) -> str:
    scale, shift = at.weight("gamma"), at.weight("beta")
    return at.graph.op("LayerNormalization", x.name, scale, shift, axis=-1, epsilon=net.eps)


@exports(RMSNorm)
def _rms_norm(net: RMSNorm, x: Value, at: Place) -> str:
    h = at.graph.op("Div", x.name, _root(at, x.name, (-1,), net.eps))
    return at.graph.op("Mul", h, at.weight("gamma"))


@exports(UnitNorm)
def _unit_norm(net: UnitNorm, x: Value, at: Place) -> str:
    return at.graph.op("Div", x.name, _root(at, x.name, (-1,), net.eps, "ReduceSum"))


@exports(GroupNorm)
def _group_norm(net: GroupNorm, x: Value, at: Place) -> str:
    g, shape = at.graph, x.spec.shape
    split = g.reshape(x.name, (int(np.prod(shape[:-1])), net.groups, shape[-1] // net.groups))
    centred = g.op("Sub", split, g.reduce("ReduceMean", split, (1, 3)))
    h = g.reshape(g.op("Div", centred, _root(at, centred, (1, 3), net.eps)), shape)
    return g.op("Add", g.op("Mul", h, at.weight("gamma")), at.weight("beta"))


def _root(at: Place, x: str, axes: tuple[int, ...], eps: float, how: str = "ReduceMean") -> str:
    squares = at.graph.reduce(how, at.graph.op("Mul", x, x), axes)
    return at.graph.op("Sqrt", at.graph.op("Add", squares, at.graph.constant(eps)))


@exports(BatchNorm)
def _batch_norm(net: BatchNorm, x: Value, at: Place) -> str:
    g, path = at.graph, f"{at.path}." if at.path else ""
    running = [g.weight(path + name, at.state[name]) for name in ("mean", "var")]
    forward, back = channels_first(x.rank)
    y = g.op(
        "BatchNormalization", g.transpose(x.name, forward), at.weight("gamma"), at.weight("beta"),
        *running, epsilon=net.eps,
    )  # fmt: skip
    return g.transpose(y, back)


def channels_first(rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the transpositions to ``(N, C, ...)`` and back."""
    if rank == 1:
        return (0,), (0,)
    return (0, rank - 1, *range(1, rank - 1)), (0, *range(2, rank), 1)


@exports(Columns)
def _columns(net: Columns, x: Value, at: Place) -> str:
    return at.graph.cut(x.name, -1, net.start, net.stop)


@exports(Flatten, Reshape, Channels)
def _reshape(net: Any, x: Value, at: Place) -> str:
    return at.graph.reshape(x.name, net.spec(x.spec).shape)
