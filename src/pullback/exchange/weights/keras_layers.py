"""A network as Keras describes it: a ``Sequential`` model, layer by layer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from pullback.core.compose import Chain
from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.maps import (
    ELU,
    GRU,
    LSTM,
    RNN,
    AvgPool2d,
    BatchNorm,
    Channels,
    Conv1d,
    Conv2d,
    Dropout,
    Embedding,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogSoftmax,
    MaxPool2d,
    ReLU,
    Reshape,
    RMSNorm,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from pullback.maps.window import pads_of, per_axis
from pullback.train.model import Model

VERSION = "3.0.0"
"""The first Keras whose files are of this form."""
TEXT = {
    "map": "{path} ({title}) has no layer of Keras to describe it; expected a chain of {known}. "
    "Write a .weights.h5 file for a Keras model of your own",
    "padding": "{path} ({title}): padding {padding!r}; Keras has 'same' and 'valid'",
    "dilation": "{path} ({title}): stride {stride!r} with dilation {dilation!r}; Keras has one "
    "or the other",
    "reverse": "{path} ({title}): reverse=True; Keras turns the outputs round too",
    "axes": "{path} ({title}): examples of shape {shape}; Keras has one or two axes and channels",
}

LAST = {"data_format": "channels_last"}
"""Said in each layer, as Keras may be set to have channels first."""

Described = tuple[str, dict[str, Any]]
"""The class of a layer, and its configuration."""
Form = Callable[[Any, Any, str], Described]
"""How a map with an input spec is described; the last is its place, for messages."""


def metadata() -> str:
    """Return what a ``.keras`` file says of the program that it is of."""
    return json.dumps({"keras_version": VERSION})


def description(model: Model) -> str:
    """Return the ``config.json`` of a ``.keras`` file: the layers, with the raw input before them.

    Raises:
        ConfigError: a map that no layer of Keras is.
    """
    dtype = str(model.theta.flat.dtype)
    given = {"batch_shape": [None, *model.input.shape], "dtype": dtype}
    layers = [("InputLayer", given), *_normalizer(model), *_described(model.net, model.spec, ())]
    named = [
        _object("keras.layers", kind, {"name": f"layer_{i}", "dtype": dtype} | config)
        for i, (kind, config) in enumerate(layers)
    ]
    found = _object("keras", "Sequential", {"name": "pullback", "layers": named})
    return json.dumps(found | {"build_config": {"input_shape": [None, *model.input.shape]}})


def _object(module: str, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def _normalizer(model: Model) -> list[Described]:
    scale, shift = model.normalizer.scale, model.normalizer.shift
    if scale == 1 and shift == 0:
        return []
    return [("Rescaling", {"scale": scale, "offset": shift})]


def _described(net: Map, x: Any, path: tuple[str, ...]) -> Iterator[Described]:
    if isinstance(net, Chain):
        for name, child in net.children().items():
            yield from _described(child, net.inputs(x)[name], (*path, name))
        return
    where = ".".join(path) or "the network"
    if type(net) not in LAYERS:
        known = ", ".join(kind.__name__ for kind in LAYERS)
        raise ConfigError(TEXT["map"].format(path=where, title=net.title, known=known))
    yield LAYERS[type(net)](net, x, where)


def _padding(net: Any, kernel: Any, axes: int, where: str) -> dict[str, Any]:
    pads = pads_of(net.title, net.padding, per_axis(net.title, "size", kernel, axes))
    if pads != "same" and any(map(any, pads)):
        raise ConfigError(TEXT["padding"].format(path=where, title=net.title, padding=net.padding))
    return {"padding": "same" if pads == "same" else "valid", **LAST}


def _linear(net: Any, x: Any, where: str) -> Described:
    return "Dense", {"units": net.units, "use_bias": net.bias}


def _conv(net: Any, x: Any, where: str) -> Described:
    moves = [
        max(per_axis(net.title, name, getattr(net, name), net.axes))
        for name in ("stride", "dilation")
    ]
    if min(moves) > 1:
        text = TEXT["dilation"].format(
            path=where, title=net.title, stride=net.stride, dilation=net.dilation
        )
        raise ConfigError(text)
    return f"Conv{net.axes}D", _padding(net, net.kernel_size, net.axes, where) | {
        "filters": net.channels,
        "kernel_size": net.kernel_size,
        "strides": net.stride,
        "dilation_rate": net.dilation,
        "groups": net.groups,
        "use_bias": net.bias,
    }


def _pool(kind: str) -> Form:
    def form(net: Any, x: Any, where: str) -> Described:
        step = net.size if net.stride is None else net.stride
        return kind, _padding(net, net.size, 2, where) | {"pool_size": net.size, "strides": step}

    return form


def _over_all(kind: str) -> Form:
    def form(net: Any, x: Any, where: str) -> Described:
        axes = len(x.shape) - 1
        if axes not in (1, 2):
            raise ConfigError(TEXT["axes"].format(path=where, title=net.title, shape=x.shape))
        return f"{kind}{axes}D", LAST

    return form


def _shape(net: Any, x: Any, where: str) -> Described:
    return "Reshape", {"target_shape": net.spec(x).shape}


def _norm(kind: str) -> Form:
    return lambda net, x, where: (kind, {"epsilon": net.eps})


def _group_norm(net: Any, x: Any, where: str) -> Described:
    return "GroupNormalization", {"groups": net.groups, "epsilon": net.eps}


def _batch_norm(net: Any, x: Any, where: str) -> Described:
    return "BatchNormalization", {"epsilon": net.eps, "momentum": 1 - net.momentum}


def _embedding(net: Any, x: Any, where: str) -> Described:
    return "Embedding", {"input_dim": net.count, "output_dim": net.width}


def _recurrent(kind: str, **more: Any) -> Form:
    def form(net: Any, x: Any, where: str) -> Described:
        if net.reverse:
            raise ConfigError(TEXT["reverse"].format(path=where, title=net.title))
        whole = net.states == "all"
        return kind, {"units": net.units, "return_sequences": whole, **more}

    return form


def _activation(name: str) -> Form:
    return lambda net, x, where: ("Activation", {"activation": name})


LAYERS: dict[type, Form] = {
    Linear: _linear,
    Conv1d: _conv,
    Conv2d: _conv,
    MaxPool2d: _pool("MaxPooling2D"),
    AvgPool2d: _pool("AveragePooling2D"),
    GlobalAvgPool: _over_all("GlobalAveragePooling"),
    GlobalMaxPool: _over_all("GlobalMaxPooling"),
    Flatten: lambda net, x, where: ("Flatten", LAST),
    Channels: _shape,
    Reshape: _shape,
    BatchNorm: _batch_norm,
    LayerNorm: _norm("LayerNormalization"),
    GroupNorm: _group_norm,
    RMSNorm: _norm("RMSNormalization"),
    Dropout: lambda net, x, where: ("Dropout", {"rate": net.rate}),
    Embedding: _embedding,
    RNN: _recurrent("SimpleRNN"),
    LSTM: _recurrent("LSTM"),
    GRU: _recurrent("GRU", reset_after=True),
    ReLU: _activation("relu"),
    Tanh: _activation("tanh"),
    Sigmoid: _activation("sigmoid"),
    SiLU: _activation("silu"),
    Softplus: _activation("softplus"),
    Softmax: _activation("softmax"),
    LogSoftmax: _activation("log_softmax"),
    LeakyReLU: lambda net, x, where: ("LeakyReLU", {"negative_slope": net.negative_slope}),
    ELU: lambda net, x, where: ("ELU", {"alpha": net.alpha}),
}
"""The layer that each map is; what has several branches has none."""
