"""Images, signals, and what varies them in training alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from pullback.exchange.onnx.graph import Place, Value
from pullback.exchange.onnx.plain import channels_first
from pullback.exchange.onnx.registry import exports
from pullback.maps import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    GlobalAvgPool,
    GlobalMaxPool,
    LogMel,
    MaxPool2d,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomErasing,
    RandomFlip,
    RandomShift,
    Upsample,
)
from pullback.maps.window import Windows, pads_of


def _flat(pads: Any) -> list[int]:
    """Return pads in ONNX's order: all beginnings, then all ends."""
    return [before for before, _ in pads] + [after for _, after in pads]


def _over(windows: Windows) -> dict[str, Any]:
    return {
        "kernel_shape": windows.kernel,
        "strides": windows.stride,
        "pads": _flat(windows.pads),
    }


def _on_channels_first(at: Place, op: str, x: Value, *others: str, **attributes: Any) -> str:
    forward, back = channels_first(x.rank)
    y = at.graph.op(op, at.graph.transpose(x.name, forward), *others, **attributes)
    return at.graph.transpose(y, back)


def _kernel(at: Place, order: tuple[int, ...], bias: bool) -> tuple[str, ...]:
    w = at.weight("W", "onnx", lambda w: np.transpose(w, order))
    return (w, at.weight("b")) if bias else (w,)


@exports(Conv1d, Conv2d)
def _conv(net: Any, x: Value, at: Place) -> str:
    over, k = net.over(x.spec.shape[:-1]), net.axes
    weights = _kernel(at, (k + 1, k, *range(k)), net.bias)
    more = {"dilations": over.dilation, "group": net.groups}
    return _on_channels_first(at, "Conv", x, *weights, **_over(over), **more)


@exports(ConvTranspose2d)
def _conv_transpose(net: ConvTranspose2d, x: Value, at: Place) -> str:
    count = x.spec.shape[:-1]
    over = net.over_output(count)
    every = zip(over.inside, count, over.stride, over.span, over.pads, strict=True)
    beyond = [size - ((n - 1) * s + k - sum(pad)) for size, n, s, k, pad in every]
    weights = _kernel(at, (2, 3, 0, 1), net.bias)
    more = {"dilations": over.dilation, "output_padding": beyond}
    return _on_channels_first(at, "ConvTranspose", x, *weights, **_over(over), **more)


@exports(MaxPool2d)
def _max_pool(net: MaxPool2d, x: Value, at: Place) -> str:
    return _on_channels_first(at, "MaxPool", x, **_over(net.over(x.spec.shape[:-1])))


@exports(AvgPool2d)
def _avg_pool(net: AvgPool2d, x: Value, at: Place) -> str:
    over = _over(net.over(x.spec.shape[:-1]))
    return _on_channels_first(at, "AveragePool", x, **over, count_include_pad=0)


@exports(GlobalAvgPool)
def _global_avg(net: GlobalAvgPool, x: Value, at: Place) -> str:
    g, axes = at.graph, tuple(range(1, x.rank - 1))
    if at.lengths is None:
        return g.reduce("ReduceMean", x.name, axes, keepdims=False)
    total = g.reduce("ReduceSum", at.only(x, at.lengths), axes, keepdims=False)
    within = g.constant(int(np.prod(x.spec.shape[1:-1])), "int64")
    count = g.op("Max", g.op("Mul", at.lengths, within), g.constant(1, "int64"))
    return g.op("Div", total, g.reshape(g.op("Cast", count, to=1), (1,)))


@exports(GlobalMaxPool)
def _global_max(net: GlobalMaxPool, x: Value, at: Place) -> str:
    g, axes = at.graph, tuple(range(1, x.rank - 1))
    if at.lengths is None:
        return g.reduce("ReduceMax", x.name, axes, keepdims=False)
    own = at.own_steps(at.lengths, x.spec.shape[0], x.rank)
    rows = g.op("Where", own, x.name, g.constant(np.finfo("float32").min))
    top = g.reduce("ReduceMax", rows, axes, keepdims=False)
    some = g.reshape(g.op("Greater", at.lengths, g.constant(0, "int64")), (1,))
    return g.op("Where", some, top, g.constant(0.0))


@exports(AdaptiveAvgPool2d, Upsample)
def _resample(net: Any, x: Value, at: Place) -> str:
    g, (height, width, channels) = at.graph, x.spec.shape
    rows, columns = (g.constant(net.matrix(i, n)) for i, n in enumerate((height, width)))
    high = net.spec(x.spec).shape[0]
    y = g.op("MatMul", rows, g.reshape(x.name, (height, width * channels)))
    return g.op("MatMul", columns, g.reshape(y, (high, width, channels)))


@exports(Pad)
def _pad(net: Pad, x: Value, at: Place) -> str:
    return _padded(at, x, pads_of(net.title, net.padding, (1, 1)), net.fill)


def _padded(at: Place, x: Value, pads: Any, fill: float = 0.0) -> str:
    every = [(0, 0), *pads, *((0, 0),) * (x.rank - 3)]
    return at.graph.op(
        "Pad", x.name, at.graph.constant(_flat(every), "int64"), at.graph.constant(fill)
    )


@exports(RandomShift, RandomFlip, RandomAffine, RandomErasing)
def _same(net: Any, x: Value, at: Place) -> str:
    return at.graph.op("Identity", x.name)


@exports(RandomCrop)
def _middle(net: RandomCrop, x: Value, at: Place) -> str:
    border = net.padding
    name = _padded(at, x, ((border, border),) * 2) if border else x.name
    inside, outside = x.spec.shape[:2], net.spec(x.spec).shape[:2]
    for axis, (n, m) in enumerate(zip(inside, outside, strict=True), start=1):
        start = (n + 2 * border - m) // 2
        name = at.graph.cut(name, axis, start, start + m)
    return name


@exports(LogMel)
def _log_mel(net: LogMel, x: Value, at: Place) -> str:
    g, samples = at.graph, x.spec.shape[0]
    cos, sin, bands = (g.constant(m) for m in net._matrices(np.zeros(1, "float32")))
    length, hop, _ = net._sizes
    places = hop * np.arange(net.frames(samples))[:, None] + np.arange(length)
    framed = g.op("Gather", x.name, g.constant(places, "int64"), axis=1)
    bad = g.op("Cast", g.op("IsNaN", framed), to=1)
    gone = g.op("Cast", g.reduce("ReduceMax", bad, (2,)), to=9)
    framed = g.op("Where", gone, g.constant(0.0), framed)
    parts = (g.op("MatMul", framed, matrix) for matrix in (cos, sin))
    power = g.op("Add", *(g.op("Mul", part, part) for part in parts))
    mels = g.op("Add", g.op("MatMul", power, bands), g.constant(net.floor))
    return g.op("Where", gone, g.constant(np.nan), g.op("Log", mels))
