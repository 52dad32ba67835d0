"""Networks and models as ONNX files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pullback._version import __version__
from pullback.core.config import to_config
from pullback.core.errors import ConfigError
from pullback.core.map import Map, Params
from pullback.core.spec import Spec, spec_of
from pullback.exchange.onnx import composites, images, plain, sequences  # noqa: F401
from pullback.exchange.onnx.graph import Graph, Place, Value
from pullback.exchange.onnx.library import onnx_library
from pullback.exchange.onnx.links import linked
from pullback.exchange.onnx.registry import emit
from pullback.train.model import Model
from pullback.train.storage import write_whole

OPSETS = range(17, 24)
"""The versions of ONNX's operators that can be written: what the tests go through."""
DEFAULT_OPSET = 20
LARGEST = 2**31 - 2**20
"""Bytes: one file of this format can hold no more."""
TEXT = {
    "opset": "opset={opset!r}; expected a whole number from {least} to {most}",
    "with_model": "a Model has its parameters and the spec of its input; leave them out",
    "without": "a network is written with its parameters and the spec of its input",
    "large": "{path}: {size:.1f} GB of parameters; a file of this format holds at most 2 GB",
}


def to_onnx(
    net: Map | Model,
    path: str | Path,
    params: Params | None = None,
    x: Any = None,
    *,
    state: Any = None,
    opset: int = DEFAULT_OPSET,
) -> None:
    """Write a model or a network as ``*.onnx``, as it is after training, in float32.

    The number of examples stays open. Dropout and random variations let everything pass;
    ``BatchNorm`` uses what it has kept. Of a ``Model``, the normalisation of raw examples comes
    first and the loss's ``link`` last, so that the output ``probabilities`` (or ``output``, where
    the loss has no link) is that of ``predict_proba``. Axes are ordered as here, channels last.

    Args:
        net: a model, or a network.
        path: the file.
        params: of a network, its parameters.
        x: of a network, a batch of inputs or their spec (a tuple of several).
        state: of a network, its state, where it has any.
        opset: the version of ONNX's operators, from 17 to 23.

    Raises:
        ConfigError: a map without a form in ONNX, another opset, or ``onnx`` is not installed.
        ShapeError: the network cannot take such an input.
        StorageError: the file cannot be written.
    """
    if opset not in OPSETS:
        raise ConfigError(TEXT["opset"].format(opset=opset, least=OPSETS[0], most=OPSETS[-1]))
    if isinstance(net, Model):
        if params is not None or x is not None:
            raise ConfigError(TEXT["with_model"])
        made = model_proto(net, opset)
    else:
        if params is None or x is None:
            raise ConfigError(TEXT["without"])
        made = _of_net(net, params, spec_of(x), state or {}, opset)
    size = sum(len(tensor.raw_data) for tensor in made.graph.initializer)
    if size > LARGEST:
        raise ConfigError(TEXT["large"].format(path=path, size=size / 1e9))
    write_whole(Path(path), made.SerializeToString())


def _of_net(net: Map, params: Params, spec: Any, state: Any, opset: int) -> Any:
    graph = Graph(opset)
    several = isinstance(spec, tuple)
    specs = spec if several else (spec,)
    inputs = tuple(
        Value(f"input_{i}" if several else "input", part) for i, part in enumerate(specs)
    )
    y = emit(net, inputs if several else inputs[0], Place(graph, params, state))
    return _proto(graph, inputs, y, "output", {})


def model_proto(model: Model, opset: int) -> Any:
    """Return the graph of raw examples to predictions, with what a model knows of them."""
    graph = Graph(opset)
    given = Value("input", model.input)
    scale, shift = (np.asarray(n) for n in (model.normalizer.scale, model.normalizer.shift))
    name = given.name
    if model.input.dtype != "float32":
        # as here: what is no wider than the parameters is converted first
        wide = model.input.dtype == "float64"
        name = name if wide else graph.op("Cast", name, to=1)
    dtype = "float64" if model.input.dtype == "float64" else "float32"
    if np.any(scale != 1):
        name = graph.op("Mul", name, graph.constant(scale, dtype))
    if np.any(shift != 0):
        name = graph.op("Add", name, graph.constant(shift, dtype))
    if dtype == "float64":
        name = graph.op("Cast", name, to=1)
    x = Value(name, Spec(model.input.shape, "float32"))
    y = emit(model.net, x, Place(graph, model.theta, model.state))
    found = linked(graph, model.loss, y)
    label = "output" if found == y.name else "probabilities"
    known = {
        "loss": to_config(model.loss),
        "classes": list(model.classes) if model.classes is not None else None,
        "image": to_config(model.image),
    }
    return _proto(graph, (given,), Value(found, y.spec), label, {"pullback": json.dumps(known)})


def _proto(
    graph: Graph, inputs: tuple[Value, ...], y: Value, label: str, notes: dict[str, str]
) -> Any:
    onnx = onnx_library()
    result = graph.op("Identity", y.name)
    nodes, arrays = graph.used((result,))
    helper, kinds = onnx.helper, onnx.helper.np_dtype_to_tensor_dtype
    names = {result: label}
    made = [
        helper.make_node(node.op, node.inputs, [names.get(n, n) for n in node.outputs],
                         name=f"{node.op}_{i}", **node.attributes)
        for i, node in enumerate(nodes)
    ]  # fmt: skip
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]

    def declared(name: str, spec: Spec, dtype: str) -> Any:
        return helper.make_tensor_value_info(name, kinds(np.dtype(dtype)), ["N", *spec.shape])

    body = helper.make_graph(
        made, "pullback", [declared(x.name, x.spec, x.spec.dtype) for x in inputs],
        [declared(label, y.spec, "float32")], tensors,
    )  # fmt: skip
    imports = [helper.make_opsetid("", graph.opset)]
    proto = helper.make_model(
        body, opset_imports=imports, ir_version=helper.find_min_ir_version_for(imports),
        producer_name="pullback", producer_version=__version__,
    )  # fmt: skip
    helper.set_model_props(proto, notes)
    return proto
