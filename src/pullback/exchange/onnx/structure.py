"""A graph as maps are made of maps: one after another, and side by side between two values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.core.errors import ModelFileError
from pullback.exchange.onnx.reading import Operation, Source

JOINS = ("Add", "Mul", "Sum", "Concat")
TEXT = {
    "mixed": "{path}: {name} ({op}) puts together several values, which cannot be read as maps",
    "crossed": "{path}: {name} ({op}) is used by branches that meet in different places, which "
    "cannot be read as maps",
    "constant": "{path}: {name} ({op}): {why}",
    "unrelated": "{path}: the output does not depend on the input",
}


@dataclass(frozen=True)
class Step:
    """An operation, or several branches that meet in one; ``value`` is what is used of it."""

    node: Operation
    value: str
    branches: tuple[list[Step], ...] = ()


def folded(source: Source) -> tuple[list[Operation], dict[str, np.ndarray]]:
    """Return the operations that depend on the input, and all constants."""
    arrays, kept = dict(source.arrays), []
    for node in source.nodes:
        try:
            value = _constant(node, arrays)
        except (ValueError, TypeError, IndexError) as error:
            why = " ".join(str(error).split())
            raise ModelFileError(
                TEXT["constant"].format(path=source.path, name=node.name, op=node.op, why=why)
            ) from None
        if value is None:
            kept.append(node)
        else:
            arrays[node.outputs[0]] = value
    return kept, arrays


def _constant(node: Operation, arrays: dict[str, np.ndarray]) -> np.ndarray | None:
    given = [arrays.get(name) for name in node.inputs]
    first = given[0] if given else None
    if node.op == "Constant":
        for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
            if name in node.attributes:
                return np.asarray(node.attributes[name])
    if node.op == "ConstantOfShape" and not np.any(node.attributes.get("value", 0)):
        return np.zeros(())  # of whatever shape: where one is needed, 0 is 0
    if node.op == "Expand" and first is not None and not np.any(first):
        return np.zeros(())
    if any(array is None for array in given) or first is None:
        return None
    if node.op == "Identity":
        return first
    if node.op == "Transpose":
        return np.transpose(first, node.attributes.get("perm"))
    return None


def steps_of(source: Source, nodes: list[Operation], arrays: dict[str, np.ndarray]) -> list[Step]:
    """Return the steps from the input to the output.

    Raises:
        ModelFileError: the graph is not made of branches that part and meet again.
    """
    return _Builder(source, nodes, arrays).steps(source.output, source.input)


class _Builder:
    """Knows, of every value, the last one before it through which all ways to it lead."""

    def __init__(
        self, source: Source, nodes: list[Operation], arrays: dict[str, np.ndarray]
    ) -> None:
        self._path = source.path
        self._makers = {name: node for node in nodes for name in node.outputs if name}
        self._before: dict[str, str] = {}
        self._depth = {source.input: 0}
        self._inputs: dict[str, list[str]] = {}
        self._seen: set[str] = set()
        for node in nodes:
            data = [name for name in node.inputs if name in self._depth]
            for output in filter(None, node.outputs if data else ()):
                self._inputs[output] = data
                door = data[0]
                for other in data[1:]:
                    door = self._common(door, other)
                self._before[output] = door
                self._depth[output] = self._depth[door] + 1
        if source.output not in self._depth:
            raise ModelFileError(TEXT["unrelated"].format(path=self._path))

    def _common(self, one: str, other: str) -> str:
        while one != other:
            if self._depth[one] < self._depth[other]:
                one, other = other, one
            one = self._before[one]
        return one

    def steps(self, value: str, start: str) -> list[Step]:
        """Return the steps from ``start`` to ``value``."""
        found: list[Step] = []
        while value != start:
            node, data = self._makers[value], self._inputs[value]
            self._once(value, node)
            if len(data) == 1:
                found.append(Step(node, value))
            elif node.op in JOINS and len(data) == len(node.inputs):
                door = self._before[value]
                found.append(Step(node, value, tuple(self.steps(name, door) for name in data)))
            else:
                raise self._error("mixed", node)
            value = self._before[value]
        return found[::-1]

    def _once(self, value: str, node: Operation) -> None:
        if value in self._seen:
            raise self._error("crossed", node)
        self._seen.add(value)

    def _error(self, what: str, node: Operation) -> ModelFileError:
        return ModelFileError(TEXT[what].format(path=self._path, name=node.name, op=node.op))


def reaches_channels_first(source: Source, nodes: list[Operation], ops: Any, through: Any) -> bool:
    """Tell whether the input comes to one of ``ops`` by way of ``through`` alone."""
    values = {source.input}
    for node in nodes:
        if values & set(node.inputs[:1]):
            if node.op in ops:
                return True
            if node.op in through:
                values.update(node.outputs)
    return False
