"""Maps made of maps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pullback.core.spec import Spec
from pullback.exchange.onnx.graph import Place, Value
from pullback.exchange.onnx.registry import emit, exports, lengths_after
from pullback.maps import (
    Chain,
    Each,
    EncoderDecoder,
    Gate,
    MemoryChain,
    Padded,
    Parallel,
    Product,
    Residual,
    Shared,
    SideBySide,
)


@exports(Chain)
def _chain(net: Chain, x: Any, at: Place) -> str:
    for name, child in net.children().items():
        place = at.child(name)
        x, at = emit(child, x, place), replace(at, lengths=lengths_after(child, x, place))
    return str(x.name)


@exports(MemoryChain)
def _memory_chain(net: MemoryChain, x: Any, at: Place) -> str:
    x, memory = x
    own, others = at.lengths or (None, None)
    for name, child in net.children().items():
        given = (x, memory) if child.with_memory else x
        lengths = (own, others) if child.with_memory and at.lengths else own
        place = at.child(name, lengths=lengths)
        x, own = emit(child, given, place), lengths_after(child, given, place)
    return str(x.name)


@exports(EncoderDecoder)
def _encoder_decoder(net: EncoderDecoder, x: Any, at: Place) -> str:
    source, target = x
    of_source, of_target = at.lengths or (None, None)
    first = at.child("encoder", lengths=of_source)
    memory = emit(net.encoder, source, first)
    after = lengths_after(net.encoder, source, first)
    lengths = (of_target, after) if at.lengths else None
    return emit(net.decoder, (target, memory), at.child("decoder", lengths=lengths)).name


@exports(Residual)
def _residual(net: Residual, x: Any, at: Place) -> str:
    around = x if isinstance(x, Value) else x[0]
    return at.graph.op("Add", around.name, emit(net.body, x, at.child("body")).name)


@exports(Shared)
def _shared(net: Shared, x: Any, at: Place) -> str:
    return emit(net.body, x, at.child("body")).name


@exports(Gate)
def _gate(net: Gate, x: Value, at: Place) -> str:
    scale = emit(net.body, x, at.child("body"))
    name = scale.name
    if scale.rank < x.rank:
        name = at.graph.reshape(name, (*(1,) * (x.rank - 2), x.spec.shape[-1]))
    return at.graph.op("Mul", x.name, name)


@exports(Product)
def _product(net: Product, x: Any, at: Place) -> str:
    sides = [emit(child, x, at.child(name)).name for name, child in net.children().items()]
    return at.graph.op("Mul", *sides)


@exports(Parallel)
def _parallel(net: Parallel, x: Any, at: Place) -> str:
    every = [emit(child, x, at.child(name)).name for name, child in net.children().items()]
    if net.combine == "concat":
        return at.graph.op("Concat", *every, axis=-1)
    return at.graph.op("Sum", *every)


@exports(Each)
def _each(net: Each, x: Value, at: Place) -> str:
    members, *inside = x.spec.shape
    joined = Value(at.graph.reshape(x.name, tuple(inside)), Spec(tuple(inside), x.spec.dtype))
    y = emit(net.body, joined, at.child("body", lengths=None))
    return at.graph.reshape(y.name, (members, *y.spec.shape))


@exports(SideBySide)
def _side_by_side(net: SideBySide, x: Value, at: Place) -> str:
    g, (steps, count) = at.graph, x.spec.shape
    columns = tuple(
        Value(g.op("Gather", x.name, g.constant(i, "int64"), axis=2), Spec((steps,), x.spec.dtype))
        for i in range(count)
    )
    return emit(net.body, columns, at.child("body", lengths=None)).name


@exports(Padded)
def _padded(net: Padded, x: Any, at: Place) -> str:
    given = (x,) if isinstance(x, Value) else x
    lengths = tuple(_lengths_of(part, at) for part in given)
    parts = tuple(
        part if part.rank == 2 else Value(at.only(part, n), part.spec)
        for part, n in zip(given, lengths, strict=True)
    )
    alone = isinstance(x, Value)
    inside = parts[0] if alone else parts
    place = at.child("body", lengths=lengths[0] if alone else lengths)
    y = emit(net.body, inside, place)
    return at.only(y, lengths_after(net.body, inside, place))


def _lengths_of(x: Value, at: Place) -> str:
    """Return how many steps are each example's own: up to the last one with a value."""
    g, steps = at.graph, x.spec.shape[0]
    if x.rank == 2:
        ids = g.op("Cast", x.name, to=1)
        own = g.op("Greater", ids, g.constant(-0.5))
    else:
        bad = g.op("Cast", g.op("IsNaN", x.name), to=1)
        bad = g.reduce("ReduceMin", bad, (2,), keepdims=False)
        own = g.op("Less", bad, g.constant(0.5))
    after = g.constant([*range(1, steps + 1)], "int64")
    counted = g.op("Where", own, after, g.constant(0, "int64"))
    return g.reduce("ReduceMax", counted, (1,), keepdims=False)
