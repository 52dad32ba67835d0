"""Maps of sequences. In the graph as here, an input has a fixed number of steps, and padding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pullback.exchange.onnx.graph import Place, Value
from pullback.exchange.onnx.registry import exports
from pullback.maps import (
    GRU,
    LSTM,
    RNN,
    Attention,
    CenterSteps,
    CrossAttention,
    Embedding,
    LastStep,
    Positions,
    SinusoidalPositions,
    Trim,
    Unembedding,
)
from pullback.maps.dot_product import ROTARY_BASE

HIDDEN = -1e30
"""The score of a step that may not be seen; its share is 0."""


@exports(Embedding)
def _embedding(net: Embedding, x: Value, at: Place) -> str:
    g, ids, zero = at.graph, x.name, at.graph.constant(0, "int64")
    if x.spec.dtype.startswith("float"):
        ids = g.op("Floor", g.op("Add", ids, g.constant(0.5)))
    ids = g.op("Cast", ids, to=7)
    own = g.op("GreaterOrEqual", ids, zero)
    rows = g.op("Gather", at.weight("E"), g.op("Where", own, ids, zero))
    return g.op("Where", g.reshape(own, (*x.spec.shape, 1)), rows, g.constant(0.0))


@exports(Unembedding)
def _unembedding(net: Unembedding, x: Value, at: Place) -> str:
    table = at.graph.transpose(at.weight("E"), (1, 0))
    y = at.graph.op("MatMul", x.name, table)
    return at.graph.op("Add", y, at.weight("b")) if net.bias else y


@exports(Positions)
def _positions(net: Positions, x: Value, at: Place) -> str:
    steps = x.spec.shape[0]
    return at.graph.op("Add", x.name, at.graph.cut(at.weight("P"), 0, 0, steps))


@exports(SinusoidalPositions)
def _sinusoidal(net: SinusoidalPositions, x: Value, at: Place) -> str:
    from pullback.core.context import Context

    added, _ = net.forward({}, np.zeros((1, *x.spec.shape), "float64"), Context())
    return at.graph.op("Add", x.name, at.graph.constant(added))


ORDER: dict[type, tuple[str, tuple[int, ...]]] = {
    RNN: ("RNN", (0,)),
    LSTM: ("LSTM", (0, 3, 1, 2)),  # ours: input, forget, cell, output; theirs: i, o, f, c
    GRU: ("GRU", (1, 0, 2)),  # ours: reset, update, cell; theirs: update, reset, cell
}
"""The operator, and the places of our gates in its order."""


@exports(*ORDER)
def _recurrent(net: Any, x: Value, at: Place) -> str:
    g, steps = at.graph, x.spec.shape[0]
    op, order = ORDER[type(net)]
    backwards = net.reverse and at.lengths is not None
    name = _turned(at, x.name) if backwards else x.name
    more: dict[str, Any] = {"hidden_size": net.units}
    if op == "GRU":
        more["linear_before_reset"] = 1
    if net.reverse and not backwards:
        # not the attribute 'direction': what comes out would have to be turned all the same
        name = _flipped(at, name)
    matrices = [at.weight(w, "onnx", lambda w: _gates(w.T, order)[None]) for w in ("W", "U")]
    bias = g.weight(f"{at.path}.b".lstrip("."), at.p["b"], "onnx", lambda b: _biases(at, b, order))
    timed = g.transpose(name, (1, 0, 2))
    every, last = g.ops(op, timed, *matrices, bias, count=2, **more)
    if net.states == "last" and at.lengths is None:
        return g.op("Squeeze", last, g.constant([0], "int64"))
    y = g.transpose(g.op("Squeeze", every, g.constant([1], "int64")), (1, 0, 2))
    spec = type(x.spec)((steps, net.units))
    if net.states == "last":
        return _last(at, Value(y, spec))
    if net.reverse:
        y = _turned(at, y) if backwards else _flipped(at, y)
    return at.only(Value(y, spec), at.lengths)


def _gates(rows: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    parts = np.split(rows, len(order))
    return np.concatenate([parts[i] for i in order])


def _biases(at: Place, b: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    inner = np.zeros_like(b)
    if "c" in at.p:  # of a GRU, inside of what the reset gate lets through
        inner[-len(at.p["c"]) :] = at.p["c"]
    return np.concatenate([_gates(b, order), _gates(inner, order)])[None]


def _turned(at: Place, x: str) -> str:
    """Return the steps of each sequence in reverse order, those of padding where they are."""
    counts = at.graph.op("Max", at.lengths, at.graph.constant(1, "int64"))
    return at.graph.op("ReverseSequence", x, counts, batch_axis=0, time_axis=1)


def _flipped(at: Place, x: str) -> str:
    ends = (at.graph.constant([n], "int64") for n in (-1, np.iinfo("int64").min, 1, -1))
    return at.graph.op("Slice", x, *ends)


def _last(at: Place, x: Value) -> str:
    """Return the last step of each sequence; 0 where it has none."""
    g, steps = at.graph, x.spec.shape[0]
    place = g.op("Sub", at.lengths, g.constant(1, "int64"))
    column = g.op("Reshape", place, g.constant((-1, 1), "int64"))
    mask = g.op("Equal", g.constant(np.arange(steps), "int64"), column)
    mask = g.reshape(mask, (steps, *(1,) * (x.rank - 2)))
    return g.reduce("ReduceSum", g.op("Where", mask, x.name, g.constant(0.0)), (1,), keepdims=False)


@exports(LastStep)
def _last_step(net: LastStep, x: Value, at: Place) -> str:
    if at.lengths is not None:
        return _last(at, x)
    return at.graph.op("Gather", x.name, at.graph.constant(-1, "int64"), axis=1)


@exports(Trim)
def _trim(net: Trim, x: Value, at: Place) -> str:
    return at.only(x, at.lengths)


@exports(CenterSteps)
def _center(net: CenterSteps, x: Value, at: Place) -> str:
    g = at.graph
    if at.lengths is None:
        return g.op("Sub", x.name, g.reduce("ReduceMean", x.name, (1,)))
    own = at.only(x, at.lengths)
    count = g.op("Cast", g.op("Max", at.lengths, g.constant(1, "int64")), to=1)
    mean = g.op("Div", g.reduce("ReduceSum", own, (1,)), g.reshape(count, (1, 1)))
    return at.only(Value(g.op("Sub", own, mean), x.spec), at.lengths)


@exports(Attention)
def _attention(net: Attention, x: Value, at: Place) -> str:
    steps, width = x.spec.shape
    joined = _product(at, "W", x.name, net.bias)
    q, k, v = (_heads(at, joined, net.heads, steps, i, width) for i in range(3))
    if net.rotary:
        q, k = (_rotated(at, part, steps, width // net.heads) for part in (q, k))
    seen = None if at.lengths is None else _visible(at, at.lengths, steps)
    if net.causal:
        order = at.graph.constant(np.tri(steps)[None, None], "bool")
        seen = order if seen is None else at.graph.op("And", seen, order)
    y = _product(at, "Wo", _attend(at, (q, k, v), seen, x, net.heads), net.bias)
    return at.only(Value(y, x.spec), at.lengths)


@exports(CrossAttention)
def _cross_attention(net: CrossAttention, x: Any, at: Place) -> str:
    x, memory = x
    own, others = at.lengths or (None, None)
    (steps, width), many = x.spec.shape, memory.spec.shape[0]
    q = _heads(at, _product(at, "Wq", x.name, net.bias), net.heads, steps, 0, width)
    sides = _product(at, "Wm", memory.name, net.bias)
    k, v = (_heads(at, sides, net.heads, many, i, width) for i in range(2))
    seen = None if others is None else _visible(at, others, many)
    y = _product(at, "Wo", _attend(at, (q, k, v), seen, x, net.heads), net.bias)
    return at.only(Value(y, x.spec), own)


def _product(at: Place, name: str, x: str, bias: bool) -> str:
    y = at.graph.op("MatMul", x, at.weight(name))
    return at.graph.op("Add", y, at.weight(name.replace("W", "b"))) if bias else y


def _heads(at: Place, joined: str, heads: int, steps: int, part: int, width: int) -> str:
    """Return one of the parts that stand side by side, ``(N, heads, T, size)``."""
    one = at.graph.cut(joined, 2, part * width, (part + 1) * width)
    return at.graph.transpose(at.graph.reshape(one, (steps, heads, width // heads)), (0, 2, 1, 3))


def _rotated(at: Place, x: str, steps: int, size: int) -> str:
    """Turn the pairs: ``x cos + (x S) sin``, where ``S`` exchanges each pair and a sign."""
    g, even = at.graph, np.arange(0, size, 2)
    angle = np.arange(steps)[:, None] * ROTARY_BASE ** (-2.0 * np.arange(size // 2) / size)
    angle, exchange = np.repeat(angle, 2, axis=1), np.zeros((size, size))
    exchange[even + 1, even], exchange[even, even + 1] = -1, 1
    cos, sin = g.constant(np.cos(angle)), g.constant(np.sin(angle))
    other = g.op("MatMul", x, g.constant(exchange))
    return g.op("Add", g.op("Mul", x, cos), g.op("Mul", other, sin))


def _visible(at: Place, lengths: str, steps: int) -> str:
    return at.graph.reshape(at.own_steps(lengths, steps, 2), (1, 1, steps))


def _attend(at: Place, qkv: tuple[str, ...], seen: str | None, x: Value, heads: int) -> str:
    g, (q, k, v), (steps, width) = at.graph, qkv, x.spec.shape
    scale = g.constant(1 / math.sqrt(width // heads))
    scores = g.op("Mul", g.op("MatMul", q, g.transpose(k, (0, 1, 3, 2))), scale)
    if seen is not None:
        scores = g.op("Where", seen, scores, g.constant(HIDDEN))
    shares = g.op("Softmax", scores, axis=-1)
    if seen is not None:  # where nothing is seen, all shares are 0
        shares = g.op("Where", seen, shares, g.constant(0.0))
    mixed = g.transpose(g.op("MatMul", shares, v), (0, 2, 1, 3))
    return g.reshape(mixed, (steps, width))
