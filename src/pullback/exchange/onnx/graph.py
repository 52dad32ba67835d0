"""A graph under construction: nodes, constants and weights, by name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from pullback.core.map import Params
from pullback.core.spec import Spec

ELEMENTWISE = ("Relu", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "Softplus")
"""Of one input, each number by itself: a transposition may come after them instead of before."""


class Value(NamedTuple):
    """A tensor of the graph: its name, and its spec without the batch axis."""

    name: str
    spec: Spec

    @property
    def rank(self) -> int:
        """How many axes it has, with that of the batch."""
        return len(self.spec.shape) + 1


@dataclass
class Node:
    """One operation, before it is written."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass
class Graph:
    """What has been written so far, for version ``opset`` of the operators."""

    opset: int
    nodes: list[Node] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    _weights: dict[Any, str] = field(default_factory=dict)
    _makers: dict[str, Node] = field(default_factory=dict)

    def ops(self, op: str, *inputs: str, count: int = 1, **attributes: Any) -> tuple[str, ...]:
        """Add an operation and return the names of its ``count`` outputs."""
        outputs = tuple(f"{op.lower()}_{len(self.nodes)}_{i}" for i in range(count))
        node = Node(op, inputs, outputs, attributes)
        self.nodes.append(node)
        self._makers.update(dict.fromkeys(outputs, node))
        return outputs

    def op(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation of one output and return its name."""
        before = self._makers.get(inputs[0]) if op in ELEMENTWISE else None
        if before is not None and before.op == "Transpose":
            moved = self.op(op, before.inputs[0], **attributes)
            return self.transpose(moved, before.attributes["perm"])
        return self.ops(op, *inputs, **attributes)[0]

    def transpose(self, x: str, perm: tuple[int, ...]) -> str:
        """Order the axes; two transpositions in a row become one, or none."""
        before = self._makers.get(x)
        if before is not None and before.op == "Transpose":
            first = before.attributes["perm"]
            x, perm = before.inputs[0], tuple(first[axis] for axis in perm)
        if perm == tuple(range(len(perm))):
            return x
        return self.op("Transpose", x, perm=perm)

    def constant(self, value: Any, dtype: str = "float32") -> str:
        """Return the name of a constant; equal ones are kept once."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        return self._kept(key, f"constant_{len(self.arrays)}", array)

    def weight(self, name: str, array: Any, kind: str = "", form: Any = None) -> str:
        """Return the name of a parameter, changed by ``form``; what is shared is kept once."""
        array = np.asarray(array)
        key = (array.__array_interface__["data"][0], array.shape, kind)
        made = np.asarray(array if form is None else form(array), "float32")
        return self._kept(key, f"{name}.{kind}" if kind else name, made)

    def _kept(self, key: Any, name: str, array: np.ndarray) -> str:
        if key not in self._weights:
            self._weights[key] = name
            self.arrays[name] = np.ascontiguousarray(array).reshape(array.shape)
        return self._weights[key]

    def reduce(self, op: str, x: str, axes: tuple[int, ...], keepdims: bool = True) -> str:
        """Reduce over ``axes``, which were attributes before version 18 (but for sums)."""
        if op == "ReduceSum" or self.opset >= 18:
            return self.op(op, x, self.constant(axes, "int64"), keepdims=int(keepdims))
        return self.op(op, x, axes=axes, keepdims=int(keepdims))

    def reshape(self, x: str, shape: tuple[int, ...]) -> str:
        """Reshape every example; the number of examples stays open."""
        return self.op("Reshape", x, self.constant((-1, *shape), "int64"))

    def cut(self, x: str, axis: int, start: int, stop: int) -> str:
        """Return part of an axis."""
        ends = (self.constant([n], "int64") for n in (start, stop, axis))
        return self.op("Slice", x, *ends)

    def used(self, outputs: tuple[str, ...]) -> tuple[list[Node], dict[str, np.ndarray]]:
        """Return the nodes and arrays that ``outputs`` depend on."""
        wanted, kept = set(outputs), []
        for node in reversed(self.nodes):
            if wanted & set(node.outputs):
                wanted.update(node.inputs)
                kept.append(node)
        return kept[::-1], {name: array for name, array in self.arrays.items() if name in wanted}


@dataclass(frozen=True)
class Place:
    """Where a map stands: its parameters and state, and the lengths of the sequences it gets."""

    graph: Graph
    p: Params
    state: Any
    path: str = ""
    lengths: Any = None

    def child(self, name: str, **changes: Any) -> Place:
        """Return the place of a child."""
        path = f"{self.path}.{name}" if self.path else name
        inside = replace(self, p=self.p.get(name, {}), state=self.state.get(name, {}), path=path)
        return replace(inside, **changes)

    def weight(self, name: str, kind: str = "", form: Any = None) -> str:
        """Return the name of the map's parameter (see ``Graph.weight``)."""
        return self.graph.weight(f"{self.path}.{name}".lstrip("."), self.p[name], kind, form)

    def own_steps(self, lengths: str, steps: int, rank: int) -> str:
        """Return which steps are the examples' own, ``(N, T, 1, ...)`` of ``rank`` axes."""
        column = self.graph.op("Reshape", lengths, self.graph.constant((-1, 1), "int64"))
        own = self.graph.op("Less", self.graph.constant(np.arange(steps), "int64"), column)
        return self.graph.reshape(own, (steps, *(1,) * (rank - 2)))

    def only(self, x: Value, lengths: str | None) -> str:
        """Return ``x`` with 0 beyond the lengths, where there are any."""
        if lengths is None:
            return x.name
        own = self.own_steps(lengths, x.spec.shape[0], x.rank)
        return self.graph.op("Where", own, x.name, self.graph.constant(0.0))
