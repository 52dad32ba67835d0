"""ONNX files as models."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.config import from_config
from pullback.core.errors import ModelFileError, PullbackError
from pullback.core.spec import Spec
from pullback.core.theta import Layout, Theta
from pullback.core.tree import dotted, leaves
from pullback.data.images import AnyFormat
from pullback.data.normalize import Affine
from pullback.exchange.onnx import recurrence  # noqa: F401
from pullback.exchange.onnx.convert import Cursor, Flow, Part, chained, converted
from pullback.exchange.onnx.operators import CHANNELS_FIRST
from pullback.exchange.onnx.plain import channels_first
from pullback.exchange.onnx.reading import Source, read
from pullback.exchange.onnx.structure import Step, folded, reaches_channels_first, steps_of
from pullback.losses import BinaryCrossEntropy, CrossEntropy, HalfSquaredError, Loss
from pullback.maps import Sigmoid, Softmax
from pullback.train.model import Model
from pullback.train.model_file import check_same

IMAGES = (2, 3)
THROUGH = ("Relu", "Sigmoid", "Tanh", "LeakyRelu", "Cast", "Mul", "Add", "Identity", "Pad")
TEXT = {
    "order": "{path}: the outputs are the features of a flattened image in an order that is not "
    "ours",
    "notes": "{path}: what Pullback wrote beside the graph cannot be used: {why}",
    "deep": "{path}: branches within branches, too deep to read",
}


def from_onnx(path: str | Path) -> Model:
    """Read an ONNX file as a model: ``net``, ``theta`` and ``state``, ready to go on training.

    The axes of images and signals are put channels last, whatever the file has: of ``(N, C, H, W)``
    the model takes ``(N, H, W, C)``. A multiplication and an addition at the beginning become the
    ``normalizer``; a softmax at the end becomes ``CrossEntropy``, a sigmoid
    ``BinaryCrossEntropy``, and the outputs are then logits, ``predict_proba`` the file's output;
    otherwise the loss is ``HalfSquaredError``. Nothing in the file is executed.

    Raises:
        ModelFileError: the file is missing, damaged, or has an operator or a structure that no map
            here has; it is named.
        ConfigError: ``onnx`` is not installed.
    """
    source = read(Path(path))
    try:
        return _model(source)
    except RecursionError:
        raise ModelFileError(TEXT["deep"].format(path=path)) from None


def _model(source: Source) -> Model:
    nodes, arrays = folded(source)
    steps = steps_of(source, nodes, arrays)
    flow = _flow_of_input(source, nodes)
    normalizer = _normalizer(steps, arrays, flow)
    uses = Counter(name for node in nodes for name in set(node.inputs))
    parts, after = converted(steps, flow, Cursor(source.path, arrays, uses))
    if after.order is not None:
        raise ModelFileError(TEXT["order"].format(path=source.path))
    notes = _notes(source)
    loss = _loss(source, notes, parts)
    whole = chained(parts)
    dtype = source.dtype if source.dtype != "float16" else "float32"
    theta, state = _filled(source, whole, Spec(flow.shape, "float32"))
    classes = notes.get("classes")
    if classes is None and isinstance(loss, CrossEntropy):
        classes = [str(i) for i in range(after.shape[-1])]
    return Model(
        whole.net, theta, state, loss, Spec(flow.shape, dtype), normalizer,
        tuple(map(str, classes)) if classes is not None else None, notes.get("image"),
    )  # fmt: skip


def _flow_of_input(source: Source, nodes: Any) -> Flow:
    rank = len(source.shape) + 1
    axes = tuple(range(rank))
    if rank - 1 in IMAGES and reaches_channels_first(source, nodes, CHANNELS_FIRST, THROUGH):
        axes = channels_first(rank)[0]
    shape = dict(zip(axes[1:], source.shape, strict=True))
    return Flow(tuple(shape[axis] for axis in range(1, rank)), axes)


def _normalizer(steps: list[Step], arrays: Any, flow: Flow) -> Affine:
    """Take the first steps where they only scale and shift the raw values."""
    found: dict[str, Any] = {"Mul": 1.0, "Add": 0.0}
    for op in ("Cast", "Mul", "Add", "Cast"):
        if not steps or steps[0].node.op != op or steps[0].branches:
            continue
        constants = [arrays[name] for name in steps[0].node.inputs if name in arrays]
        if op != "Cast":
            if len(constants) != 1:
                break
            value = constants[0]
            columns = value.shape == flow.shape and value.ndim == 1 and flow.plain
            if value.size != 1 and not columns:
                break
            found[op] = tuple(map(float, value)) if columns else float(value.reshape(-1)[0])
        del steps[0]
    return Affine(found["Mul"], found["Add"])


def _notes(source: Source) -> dict[str, Any]:
    """Return what ``to_onnx`` has noted; descriptions can name registered classes only."""
    if "pullback" not in source.notes:
        return {}
    try:
        notes = json.loads(source.notes["pullback"])
        found = {name: from_config(notes[name]) for name in ("loss", "image") if notes[name]}
        if not isinstance(found.get("loss"), Loss):
            raise ValueError("no loss")
        if not isinstance(found.get("image"), AnyFormat | None):
            raise ValueError("no kind of picture")
        classes = notes["classes"]
        if classes is not None and type(classes) is not list:
            raise ValueError("no list of classes")
        return {**found, "classes": classes}
    except (PullbackError, ValueError, TypeError, KeyError) as error:
        why = " ".join(str(error).split())
        raise ModelFileError(TEXT["notes"].format(path=source.path, why=why)) from None


def _loss(source: Source, notes: dict[str, Any], parts: list[Part]) -> Loss:
    """Return the loss, and take its link away from the end."""
    last = parts[-1].net if parts else None
    loss: Loss = HalfSquaredError()
    if isinstance(last, Softmax):
        loss = CrossEntropy()
    elif isinstance(last, Sigmoid):
        loss = BinaryCrossEntropy()
    loss = notes.get("loss", loss)
    if isinstance(last, Softmax | Sigmoid) and type(loss).link is not Loss.link:
        parts.pop()
    return loss


def _filled(source: Source, whole: Part, spec: Spec) -> tuple[Theta, dict[str, Any]]:
    """Return parameters and state with the numbers of the file."""
    try:
        whole.net.spec(spec)
        layout = Layout.of(whole.net.params(spec))
        declared = whole.net.state(spec)
    except PullbackError as error:
        raise ModelFileError(f"{source.path}: {error}") from None
    given = {dotted(path): array for path, array in leaves(whole.params)}
    expected = {entry.name: entry.shape for entry in layout.entries}
    check_same(source.path, expected, {name: array.shape for name, array in given.items()})
    slots = {dotted(path): slot.shape for path, slot in leaves(declared)}
    kept = {dotted(path): array.shape for path, array in leaves(whole.state)}
    check_same(source.path, slots, kept)
    theta = layout.zeros("float32")
    for entry in layout.entries:
        theta.flat[entry.start : entry.stop] = given[entry.name].reshape(-1)
    return theta, _as_float(whole.state)


def _as_float(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _as_float(value) for name, value in state.items()}
    return np.array(state, "float32")
