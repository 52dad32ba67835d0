"""An ONNX file as nodes and arrays. Nothing in it is executed, and no other file but its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ModelFileError
from pullback.exchange.onnx.library import onnx_library

LARGEST = 2**31
LONGEST = 100
STANDARD = ("", "ai.onnx")
TEXT = {
    "missing": "{path}: there is no such file",
    "large": "{path}: {size:,} bytes; a file of this format has at most 2 GB",
    "damaged": "{path}: not a readable ONNX file ({why}); it may be damaged or cut short",
    "domain": "{path}: operator {name} of {domain!r}; only ONNX's own can be read",
    "outside": "{path}: the data of {name!r} are said to be in {where!r}; expected a file in the "
    "folder of the model",
    "short": "{path}: {name!r} has {found:,} bytes of data, {shape} needs {want:,}",
    "kind": "{path}: {name!r} has numbers of a kind that cannot be read",
    "order": "{path}: {name!r} is used before it is made, or never made",
    "twice": "{path}: {name!r} is made twice",
    "functions": "{path}: it defines functions of its own, which cannot be read",
    "one": "{path}: {count} {what}; expected one",
    "shape": "{path}: the input's shape is {shape}; expected known sizes after the first axis",
}


@dataclass(frozen=True)
class Operation:
    """One node of the graph."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Source:
    """What a file says: the nodes in order, constants, the input and the output, and notes."""

    path: Path
    nodes: tuple[Operation, ...]
    arrays: dict[str, np.ndarray]
    input: str
    shape: tuple[int, ...]
    dtype: str
    output: str
    notes: dict[str, str]


def read(path: Path) -> Source:
    """Return what the file says.

    Raises:
        ModelFileError: it is missing, damaged, or uses what cannot be read.
    """
    onnx = onnx_library()
    if not path.is_file():
        raise ModelFileError(TEXT["missing"].format(path=path))
    if path.stat().st_size > LARGEST:
        raise ModelFileError(TEXT["large"].format(path=path, size=path.stat().st_size))
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # of a parser whose classes of errors are not ours to know
        raise _damaged(path, error) from None
    if model.functions:
        raise ModelFileError(TEXT["functions"].format(path=path))
    graph = model.graph
    arrays = {_text(tensor.name): _array(path, tensor) for tensor in graph.initializer}
    nodes = tuple(_operation(path, i, node) for i, node in enumerate(graph.node))
    inputs = [value for value in graph.input if _text(value.name) not in arrays]
    for what, found in (("inputs", inputs), ("outputs", graph.output)):
        if len(found) != 1:
            raise ModelFileError(TEXT["one"].format(path=path, count=len(found), what=what))
    start, end = _text(inputs[0].name), _text(graph.output[0].name)
    _check_order(path, nodes, {*arrays, start}, end)
    shape, dtype = _declared(path, inputs[0])
    notes = {entry.key: entry.value for entry in model.metadata_props}
    return Source(path, nodes, arrays, start, shape, dtype, end, notes)


def _damaged(path: Path, error: Exception) -> ModelFileError:
    return ModelFileError(TEXT["damaged"].format(path=path, why=" ".join(str(error).split())))


def _operation(path: Path, i: int, node: Any) -> Operation:
    if node.domain not in STANDARD:
        raise ModelFileError(
            TEXT["domain"].format(path=path, name=_shown(node.op_type), domain=node.domain)
        )
    onnx = onnx_library()
    found: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            found[attribute.name] = _array(path, attribute.t)
            continue
        try:
            value = onnx.helper.get_attribute_value(attribute)
        except ValueError as error:
            raise _damaged(path, error) from None
        found[attribute.name] = value.decode(errors="replace") if type(value) is bytes else value
    name = _shown(node.name) or f"node {i}"
    inputs, outputs = (tuple(map(_text, names)) for names in (node.input, node.output))
    return Operation(_shown(node.op_type), name, inputs, outputs, found)


def _text(name: str | bytes) -> str:
    """Return a name; those that are no text come as bytes."""
    return name if isinstance(name, str) else name.decode(errors="replace")


def _shown(name: str | bytes) -> str:
    """Return a name as messages have it: on one line, and not a whole book."""
    return " ".join(_text(name).split())[:LONGEST]


def _check_order(path: Path, nodes: Any, known: set[str], output: str) -> None:
    for node in nodes:
        for name in node.inputs:
            if name and name not in known:
                raise ModelFileError(TEXT["order"].format(path=path, name=name))
        for name in node.outputs:
            if name and name in known:
                raise ModelFileError(TEXT["twice"].format(path=path, name=name))
        known.update(filter(None, node.outputs))
    if output not in known:
        raise ModelFileError(TEXT["order"].format(path=path, name=output))


def _declared(path: Path, value: Any) -> tuple[tuple[int, ...], str]:
    onnx, tensor = onnx_library(), value.type.tensor_type
    # a size without a name or a number is 0, as is one that is written as 0
    shape = tuple(int(dim.dim_value) for dim in tensor.shape.dim)
    if not shape or any(n < 1 for n in shape[1:]):
        named = [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]
        raise ModelFileError(TEXT["shape"].format(path=path, shape=named))
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    except (KeyError, TypeError, ValueError):
        raise ModelFileError(TEXT["kind"].format(path=path, name=value.name)) from None
    return shape[1:], str(dtype)


def _array(path: Path, tensor: Any) -> np.ndarray:
    """Return a tensor's numbers, after its size has been compared with what is there."""
    onnx, name, shape = onnx_library(), tensor.name, tuple(tensor.dims)
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    except (KeyError, TypeError, ValueError):
        raise ModelFileError(TEXT["kind"].format(path=path, name=name)) from None
    if dtype.kind not in "fiub" or dtype.isbuiltin != 1 or any(n < 0 for n in shape):
        raise ModelFileError(TEXT["kind"].format(path=path, name=name))
    want = math.prod(shape) * dtype.itemsize
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raw = _external(path, tensor, want)
    elif tensor.HasField("raw_data"):
        raw = tensor.raw_data
    else:
        listed = getattr(tensor, onnx.helper.tensor_dtype_to_field(tensor.data_type))
        _check_size(path, name, shape, want, len(listed) * dtype.itemsize)
        raw = onnx.numpy_helper.to_array(tensor).tobytes() if want else b""
    _check_size(path, name, shape, want, len(raw))
    if max(shape, default=0) > LARGEST:  # beside a size of 0
        raise ModelFileError(TEXT["kind"].format(path=path, name=name))
    return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype).reshape(shape)


def _check_size(path: Path, name: str, shape: Any, want: int, found: int) -> None:
    if found != want:
        raise ModelFileError(
            TEXT["short"].format(path=path, name=name, found=found, shape=shape, want=want)
        )


def _external(path: Path, tensor: Any, want: int) -> bytes:
    """Return data that lie beside the file: in its folder, and nowhere else."""
    said = {entry.key: entry.value for entry in tensor.external_data}
    where, folder = said.get("location", ""), path.parent.resolve()
    file = (folder / where.replace("\0", "?")).resolve()
    if not where or not file.is_relative_to(folder) or not file.is_file():
        raise ModelFileError(TEXT["outside"].format(path=path, name=tensor.name, where=where))
    try:
        start, length = int(said.get("offset", 0)), int(said.get("length", want))
    except ValueError as error:
        raise _damaged(path, error) from None
    there = max(0, file.stat().st_size - start) if start >= 0 else 0
    _check_size(path, tensor.name, tuple(tensor.dims), want, min(length, there))
    with file.open("rb") as data:
        data.seek(start)
        return bytes(data.read(want))
