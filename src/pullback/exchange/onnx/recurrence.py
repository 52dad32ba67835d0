"""The recurrent operators among our maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from pullback.exchange.onnx.convert import TEXT, Cursor, Flow, Part, reads
from pullback.exchange.onnx.operators import Found
from pullback.exchange.onnx.reading import Operation
from pullback.exchange.onnx.sequences import ORDER
from pullback.maps import Parallel

KINDS = {op: (kind, np.argsort(order).tolist()) for kind, (op, order) in ORDER.items()}
"""Our map, and the places of the operator's gates in our order."""
STRANGE = ("activations", "activation_alpha", "activation_beta", "clip", "input_forget", "layout")
USUAL: dict[str, list[str]] = {
    "RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"],
}  # fmt: skip


@reads("RNN", "LSTM", "GRU")
def _recurrent(node: Operation, flow: Flow, cursor: Cursor) -> Found:
    fits = flow.axes == (1, 0, 2) and flow.order is None
    cursor.expect(node, fits, f"{TEXT['layout']}; expected steps first")
    direction = node.attributes.get("direction", "forward")
    count = 2 if direction == "bidirectional" else 1
    _check_usual(node, cursor, count)
    w, r, b = cursor.needed(node, 1), cursor.needed(node, 2), cursor.constant(node, 3)
    units = r.shape[-1]
    wide = w.shape[1]
    cursor.expect(node, w.shape == (count, wide, flow.shape[1]), f"weights of {w.shape}")
    b = np.zeros((count, 2 * wide), w.dtype) if b is None else b
    states = "all" if cursor.value == node.outputs[0] else "last"
    cursor.expect(node, cursor.value in node.outputs[:2], "its cell is used")
    sides = [
        _side(node, i, (w, r, b), units, states, direction == "reverse" or i == 1)
        for i in range(count)
    ]
    width = units * count
    if count == 1:
        part = sides[0]
    else:
        named = dict(zip(("forwards", "backwards"), sides, strict=True))
        nets: Any = {name: side.net for name, side in named.items()}
        part = Part(Parallel(**nets), {name: side.params for name, side in named.items()})
    _without_directions(node, cursor, states, count)
    if states == "last":
        return [part], Flow((width,), (0, 1))
    axes = (1, 0, 2)
    return [part], Flow((flow.shape[0], width), axes)


def _check_usual(node: Operation, cursor: Cursor, count: int) -> None:
    a = node.attributes
    named = [n.decode() if isinstance(n, bytes) else n for n in a.get("activations", ())]
    cursor.expect(node, named in ([], USUAL[node.op] * count), f"activations {named}")
    for name in STRANGE[1:]:
        cursor.expect(node, not a.get(name), f"{name}={a.get(name)!r}")
    if node.op == "GRU":
        cursor.expect(node, a.get("linear_before_reset"), "expected linear_before_reset=1")
    for i in range(4, len(node.inputs)):
        given = cursor.constant(node, i)
        cursor.expect(node, given is None or not np.any(given), "expected to start from 0")


def _side(node: Operation, i: int, arrays: Any, units: int, states: str, reverse: bool) -> Part:
    kind, order = KINDS[node.op]
    w, r, b = (array[i] for array in arrays)

    def ours(rows: np.ndarray) -> np.ndarray:
        parts = rows.reshape((len(order), units, *rows.shape[1:]))
        return np.reshape(parts[order], rows.shape)

    outer, inner = ours(b[: len(w)]), ours(b[len(w) :])
    params = {"W": ours(w).T, "U": ours(r).T, "b": outer + inner}
    if node.op == "GRU":  # the last gate's inner bias is let through by the reset gate
        joined = outer + inner
        joined[-units:] = outer[-units:]
        params |= {"b": joined, "c": inner[-units:]}
    return Part(kind(units, states, reverse), params)


def _without_directions(node: Operation, cursor: Cursor, states: str, count: int) -> None:
    """Take the steps that put the directions beside the numbers."""
    why = "what follows is not known; expected the directions beside the numbers"
    if cursor.next_is("Squeeze") and count == 1:
        listed = cursor.needed(cursor.take().node, 1).reshape(-1)
        cursor.expect(node, listed.tolist() == [1 if states == "all" else 0], why)
        return
    cursor.expect(node, states == "all" and cursor.next_is("Transpose", "Reshape"), why)
    perm = tuple(cursor.take().node.attributes.get("perm", ()))
    shape = cursor.needed(cursor.take().node, 1).tolist()
    cursor.expect(node, perm == (0, 2, 1, 3) and len(shape) == 3 and shape[:2] == [0, 0], why)
