"""What each operator is among our maps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pullback.core.map import Map
from pullback.exchange.onnx.convert import TEXT, Cursor, Flow, Part, reads
from pullback.exchange.onnx.plain import channels_first
from pullback.exchange.onnx.reading import Operation
from pullback.maps import (
    ELU,
    GELU,
    AvgPool2d,
    BatchNorm,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    Embedding,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogSoftmax,
    MaxPool2d,
    Positions,
    ReLU,
    Reshape,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)

CHANNELS_FIRST = (
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool",
    "BatchNormalization",
)  # fmt: skip
Found = tuple[list[Part], Flow]


@reads("Identity", "Dropout", "Cast")
def _same(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    if node.op == "Cast":
        cursor.expect(node, node.attributes.get("to") in (1, 7, 11), "to another kind of number")
    return [], flow


@reads("Relu", "Sigmoid", "Tanh", "Softplus", "LeakyRelu", "Elu", "Gelu")
def _function(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    plain = {"Relu": ReLU, "Sigmoid": Sigmoid, "Tanh": Tanh, "Softplus": Softplus}
    alpha = node.attributes.get("alpha")
    if node.op == "LeakyRelu":
        return [Part(LeakyReLU(float(np.float32(0.01 if alpha is None else alpha))))], flow
    if node.op == "Elu":
        return [Part(ELU(float(1.0 if alpha is None else alpha)))], flow
    if node.op == "Gelu":
        form = node.attributes.get("approximate", "none")
        cursor.expect(node, form == "tanh", "only approximate='tanh' is GELU here")
        return [Part(GELU())], flow
    return [Part(plain[node.op]())], flow


@reads("Softmax", "LogSoftmax")
def _softmax(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    axis = node.attributes.get("axis", -1)
    cursor.expect(node, flow.axes[axis] == len(flow.shape), "expected the axis of the features")
    return [Part(Softmax() if node.op == "Softmax" else LogSoftmax())], flow


@reads("MatMul")
def _matmul(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    w = cursor.needed(node, 1)
    cursor.expect(node, w.ndim == 2 and flow.axes[-1] == len(flow.shape), TEXT["layout"])
    names, bias = [node.inputs[1]], None
    if cursor.next_is("Add"):
        other = cursor.rest[0].node
        given = [i for i, name in enumerate(other.inputs) if name in cursor.arrays]
        if len(given) == 1 and cursor.arrays[other.inputs[given[0]]].shape == w.shape[1:]:
            cursor.take()
            bias = cursor.arrays[other.inputs[given[0]]]
            names.append(other.inputs[given[0]])
    return _dense(node, flow, cursor, w, bias, names)


@reads("Gemm")
def _gemm(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    a, w, c = node.attributes, cursor.needed(node, 1), cursor.constant(node, 2)
    fits = not a.get("transA") and w.ndim == 2 and len(flow.shape) == 1
    cursor.expect(node, fits, TEXT["layout"])
    w = (w.T if a.get("transB") else w) * np.float32(a.get("alpha", 1.0))
    if c is not None:
        c = np.broadcast_to(c * np.float32(a.get("beta", 1.0)), (1, w.shape[1]))[0]
    return _dense(node, flow, cursor, w, c, [n for n in node.inputs[1:] if n])


def _dense(
    node: Operation, flow: Flow, cursor: Cursor, w: np.ndarray, b: Any, names: list[str]
) -> Found:
    why = f"a matrix of {w.shape} for {flow.shape[-1]} features"
    cursor.expect(node, w.shape[0] == flow.shape[-1], why)
    net, params = Linear(w.shape[1], bias=b is not None), {"W": flow.ours(w)}
    if b is not None:
        params["b"] = b
    after = replace(flow, shape=(*flow.shape[:-1], w.shape[1]), order=None)
    return [cursor.part(net, params, names)], after


@reads("Add")
def _add(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    (added,) = (cursor.arrays[name] for name in node.inputs if name in cursor.arrays)
    fits = len(flow.shape) == 2 and flow.plain and added.shape in (flow.shape, (1, *flow.shape))
    cursor.expect(node, fits, "a constant that is neither a bias nor one for each position")
    return [Part(Positions(flow.shape[0]), {"P": added.reshape(flow.shape)})], flow


@reads("Gather")
def _gather(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    table = cursor.needed(node, 0)
    fits = table.ndim == 2 and node.attributes.get("axis", 0) == 0 and flow.plain
    cursor.expect(node, fits, "expected rows of a table")
    net = Embedding(*table.shape)
    after = Flow((*flow.shape, table.shape[1]), (*flow.axes, len(flow.axes)))
    return [cursor.part(net, {"E": table}, [node.inputs[0]])], after


@reads("Transpose")
def _transpose(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    perm = node.attributes.get("perm", tuple(reversed(range(len(flow.axes)))))
    cursor.expect(node, sorted(perm) == [*range(len(flow.axes))], TEXT["layout"])
    return [], replace(flow, axes=tuple(flow.axes[i] for i in perm))


@reads("Flatten")
def _flatten(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    cursor.expect(node, node.attributes.get("axis", 1) == 1, "expected axis=1")
    return _flat(node, flow, cursor)


def _flat(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    if len(flow.shape) == 1:
        return [], flow
    cursor.expect(node, flow.axes[0] == 0, TEXT["layout"])
    size = int(np.prod(flow.shape))
    places = np.arange(size).reshape(flow.shape).transpose([axis - 1 for axis in flow.axes[1:]])
    order = places.reshape(-1)
    same = np.array_equal(order, np.arange(size))
    return [Part(Flatten())], Flow((size,), (0, 1), None if same else order)


@reads("Reshape")
def _reshape(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    wanted = [int(n) for n in cursor.needed(node, 1)]
    here = [0 if axis == 0 else flow.shape[axis - 1] for axis in flow.axes]
    if not node.attributes.get("allowzero"):
        wanted = [here[i] if n == 0 else n for i, n in enumerate(wanted)]
    cursor.expect(node, flow.axes[0] == 0 and wanted[0] in (0, -1), "the first axis must stay open")
    size = int(np.prod(flow.shape))
    known = int(np.prod([n for n in wanted[1:] if n != -1]))
    shape = tuple(size // max(known, 1) if n == -1 else n for n in wanted[1:])
    cursor.expect(node, int(np.prod(shape)) == size, f"{flow.shape} as {shape}")
    if len(shape) == 1:
        return _flat(node, flow, cursor)
    cursor.expect(node, flow.plain, TEXT["layout"])
    return [Part(Reshape(shape))], Flow(shape, tuple(range(len(shape) + 1)))


def first_check(node: Operation, flow: Flow, cursor: Cursor) -> int:
    """Return how many axes of positions there are, after the channels."""
    axes = channels_first(len(flow.axes))[0]
    cursor.expect(node, flow.axes == axes and flow.order is None, TEXT["layout"])
    return len(flow.axes) - 2


def _pads(node: Operation, axes: int, cursor: Cursor) -> Any:
    auto, pads = node.attributes.get("auto_pad", "NOTSET"), node.attributes.get("pads")
    cursor.expect(node, auto in ("NOTSET", "VALID", "SAME_UPPER"), f"auto_pad={auto!r}")
    if auto == "SAME_UPPER":
        return "same"
    if pads is None or auto == "VALID":
        return "valid"
    return tuple((int(pads[i]), int(pads[i + axes])) for i in range(axes))


def _sizes(node: Operation, name: str, axes: int) -> tuple[int, ...]:
    return tuple(int(n) for n in node.attributes.get(name, (1,) * axes))


@reads("Conv", "ConvTranspose")
def _conv(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    axes, w, b = first_check(node, flow, cursor), cursor.needed(node, 1), cursor.constant(node, 2)
    turned = node.op == "ConvTranspose"
    cursor.expect(node, axes == 2 or (axes == 1 and not turned), f"over {axes} axes")
    cursor.expect(node, w.ndim == axes + 2, f"weights of {w.shape}")
    groups, pads = int(node.attributes.get("group", 1)), _pads(node, axes, cursor)
    kernel = w.shape[2:]
    given = {
        "stride": _sizes(node, "strides", axes), "dilation": _sizes(node, "dilations", axes),
        "padding": pads, "bias": b is not None,
    }  # fmt: skip
    if turned:
        beyond = _sizes(node, "output_padding", axes) if "output_padding" in node.attributes else ()
        if any(beyond):
            cursor.expect(node, not isinstance(pads, str), "output_padding with auto_pad")
            every = zip(pads, beyond, strict=True)
            given["padding"] = tuple((start, end - more) for (start, end), more in every)
        cursor.expect(node, groups == 1 and "output_shape" not in node.attributes, "groups")
        net: Map = ConvTranspose2d(w.shape[1], kernel, **given)
        inputs, order = w.shape[0], (2, 3, 0, 1)
    else:
        kind = Conv1d if axes == 1 else Conv2d
        net = kind(w.shape[0], kernel, groups=groups, **given)
        inputs, order = w.shape[1] * groups, (*range(2, axes + 2), 1, 0)
    cursor.expect(node, inputs == flow.shape[-1], f"{inputs} channels for {flow.shape[-1]}")
    params = {"W": np.transpose(w, order)} | ({} if b is None else {"b": b})
    return [cursor.part(net, params, [n for n in node.inputs[1:] if n])], flow.after(net)


@reads("MaxPool", "AveragePool")
def _pool(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    axes, a = first_check(node, flow, cursor), node.attributes
    pads = _pads(node, axes, cursor)
    padded = pads != "valid" and (pads == "same" or any(map(any, pads)))
    simple = axes == 2 and not a.get("ceil_mode") and set(_sizes(node, "dilations", axes)) == {1}
    cursor.expect(node, simple, "over two axes, without ceil_mode and dilations, expected")
    counted = padded and a.get("count_include_pad") and node.op == "AveragePool"
    cursor.expect(node, not counted, "means here leave out padding")
    size, stride = _sizes(node, "kernel_shape", axes), _sizes(node, "strides", axes)
    net = (MaxPool2d if node.op == "MaxPool" else AvgPool2d)(size, stride, pads)
    return [Part(net)], flow.after(net)


@reads("GlobalAveragePool", "GlobalMaxPool")
def _global(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    axes = first_check(node, flow, cursor)
    net = GlobalAvgPool() if node.op == "GlobalAveragePool" else GlobalMaxPool()
    return _kept(net, flow, axes)


def _kept(net: Map, flow: Flow, axes: int) -> Found:
    shape = (*(1,) * axes, flow.shape[-1])
    return [Part(net), Part(Reshape(shape))], replace(flow, shape=shape)


@reads("ReduceMean", "ReduceMax")
def _reduce(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    given = node.attributes.get("axes")
    listed = cursor.constant(node, 1) if given is None else given
    cursor.expect(node, listed is not None and flow.order is None, "expected axes")
    found = {flow.axes[int(axis)] for axis in np.asarray(listed).reshape(-1)}
    every = len(flow.shape)
    cursor.expect(node, found == {*range(1, every)}, "expected all axes of positions")
    net = GlobalAvgPool() if node.op == "ReduceMean" else GlobalMaxPool()
    if node.attributes.get("keepdims", 1):
        return _kept(net, flow, every - 1)
    return [Part(net)], Flow(flow.shape[-1:], (0, 1))


@reads("Squeeze")
def _squeeze(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    listed = cursor.needed(node, 1).reshape(-1)
    gone = {flow.axes[int(axis)] for axis in listed}
    fits = 0 not in gone and flow.order is None and all(flow.shape[a - 1] == 1 for a in gone)
    cursor.expect(node, fits, "expected axes of size 1")
    left = [axis for axis in flow.axes if axis not in gone]
    shape = tuple(flow.shape[axis - 1] for axis in sorted(left) if axis)
    return [Part(Reshape(shape))], Flow(shape, tuple(sorted(left).index(axis) for axis in left))


@reads("BatchNormalization")
def _batch_norm(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    cursor.expect(node, not node.attributes.get("training_mode"), "in training mode")
    cursor.expect(node, flow.axes[1] == len(flow.shape), TEXT["layout"])
    gamma, beta, mean, var = (flow.ours(cursor.needed(node, i)) for i in range(1, 5))
    net = BatchNorm(eps=float(node.attributes.get("epsilon", 1e-5)))
    return [Part(net, {"gamma": gamma, "beta": beta}, {"mean": mean, "var": var})], flow


@reads("LayerNormalization")
def _layer_norm(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    axis, scale, shift = node.attributes.get("axis", -1), *map(cursor.constant, [node] * 2, (1, 2))
    last = flow.axes[axis] == len(flow.shape) and axis in (-1, len(flow.shape))
    cursor.expect(node, last and flow.order is None and scale is not None, TEXT["layout"])
    shift = np.zeros_like(scale) if shift is None else shift
    net = LayerNorm(eps=float(node.attributes.get("epsilon", 1e-5)))
    return [Part(net, {"gamma": scale, "beta": shift})], flow
