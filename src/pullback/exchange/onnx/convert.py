"""Steps of a graph as maps, and where the numbers of the graph lie among ours.

A graph orders axes as it likes, mostly channels first; here channels come last. So every value has
a ``Flow``, which says what it is here, and transpositions need no map.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pullback.core.errors import ModelFileError, PullbackError
from pullback.core.map import Map
from pullback.core.spec import Spec
from pullback.exchange.onnx.reading import Operation
from pullback.exchange.onnx.structure import Step
from pullback.maps import Chain, Gate, Parallel, Product, Residual, Shared, Sigmoid, SiLU

TEXT = {
    "unknown": "{path}: {name}: operator {op} cannot be read; known are {known}",
    "refused": "{path}: {name} ({op}): {why}",
    "layout": "the axes of its input are in an order that no map here has",
    "join": "its branches differ in shape or in the order of their numbers",
}


class Part(NamedTuple):
    """A map with its parameters and state, as nested names have them."""

    net: Map
    params: dict[str, Any] = {}  # noqa: RUF012 - never changed
    state: dict[str, Any] = {}  # noqa: RUF012


@dataclass(frozen=True)
class Flow:
    """A value: our shape of an example; which of our axes each of the graph's is; and, where
    features were flattened in another order, which of ours each of the graph's is."""

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    order: np.ndarray | None = None

    @property
    def plain(self) -> bool:
        """Whether the graph has the same order as we."""
        return self.axes == tuple(range(len(self.axes))) and self.order is None

    def after(self, net: Map) -> Flow:
        """Return the output's, of a map that keeps the axes."""
        return replace(self, shape=net.spec(Spec(self.shape)).shape)

    def ours(self, array: np.ndarray) -> np.ndarray:
        """Return ``array``, whose first axis is the graph's features, in our order."""
        if self.order is None:
            return array
        found = np.empty_like(array)
        found[self.order] = array
        return found


class Cursor:
    """The steps that are left, and all constants."""

    def __init__(self, path: Path, arrays: dict[str, np.ndarray], uses: Counter[str]) -> None:
        self.path, self.arrays, self.uses = path, arrays, uses
        self.rest: list[Step] = []
        self.value = ""
        """Which output of the step at hand is used."""

    def next_is(self, *ops: str) -> bool:
        """Whether the next steps are of these operators."""
        found = [step.node.op for step in self.rest[: len(ops)] if not step.branches]
        return found == list(ops)

    def take(self) -> Step:
        """Return the next step, which is then done."""
        return self.rest.pop(0)

    def constant(self, node: Operation, i: int) -> np.ndarray | None:
        """Return constant input ``i`` (None where it is left out)."""
        name = node.inputs[i] if i < len(node.inputs) else ""
        if not name:
            return None
        if name not in self.arrays:
            raise self.refused(node, f"input {i} must be a constant")
        return self.arrays[name]

    def needed(self, node: Operation, i: int) -> np.ndarray:
        """Return constant input ``i``, which must be there."""
        found = self.constant(node, i)
        if found is None:
            raise self.refused(node, f"input {i} is missing")
        return found

    def refused(self, node: Operation, why: str) -> ModelFileError:
        """Return the error that names the node."""
        return ModelFileError(
            TEXT["refused"].format(path=self.path, name=node.name, op=node.op, why=why)
        )

    def expect(self, node: Operation, holds: Any, why: str) -> None:
        """Raise the error unless it ``holds``."""
        if not holds:
            raise self.refused(node, why)

    def part(self, net: Map, params: dict[str, Any], names: list[str]) -> Part:
        """Return a part whose weights are ``names``: one with several uses is shared."""
        if names and all(self.uses[name] > 1 for name in names):
            key = "+".join(names).replace(".", "_")
            return Part(Shared(key, net), {"body": params})
        return Part(net, params)


Converter = Callable[[Operation, Flow, Cursor], tuple[list[Part], Flow]]
CONVERTERS: dict[str, Converter] = {}


def reads(*ops: str) -> Callable[[Converter], Converter]:
    """Decorate ``function(node, flow, cursor) -> (parts, flow)``, which reads operators ``ops``."""

    def register(function: Converter) -> Converter:
        CONVERTERS.update(dict.fromkeys(ops, function))
        return function

    return register


def converted(steps: list[Step], flow: Flow, cursor: Cursor) -> tuple[list[Part], Flow]:
    """Return the maps of some steps, one after another, and the flow of their output.

    Raises:
        ModelFileError: a step has no map; it is named.
    """
    outer, cursor.rest = cursor.rest, list(steps)
    parts: list[Part] = []
    while cursor.rest:
        step = cursor.take()
        try:
            if step.branches:
                found, flow = _joined(step, flow, cursor)
            else:
                convert = CONVERTERS.get(step.node.op)
                if convert is None:
                    raise _unknown(step.node, cursor.path)
                cursor.value = step.value
                found, flow = convert(step.node, flow, cursor)
        except ModelFileError:
            raise
        except PullbackError as error:
            raise cursor.refused(step.node, str(error)) from None
        except (ValueError, IndexError, KeyError, TypeError, ArithmeticError) as error:
            why = f"what it holds does not fit together ({' '.join(str(error).split())})"
            raise cursor.refused(step.node, why) from None
        parts += found
    cursor.rest = outer
    return parts, flow


def _unknown(node: Operation, path: Path) -> ModelFileError:
    known = ", ".join(sorted(CONVERTERS))
    return ModelFileError(
        TEXT["unknown"].format(path=path, name=node.name, op=node.op, known=known)
    )


def chained(parts: list[Part]) -> Part:
    """Return parts one after another as one."""
    if len(parts) == 1:
        return parts[0]
    return _composed(Chain(*(part.net for part in parts)), enumerate(parts))


def _composed(net: Map, named: Any) -> Part:
    every = [(str(name), part) for name, part in named]
    params = {name: part.params for name, part in every if part.params}
    return Part(net, params, {name: part.state for name, part in every if part.state})


def _joined(step: Step, flow: Flow, cursor: Cursor) -> tuple[list[Part], Flow]:
    node = step.node
    every = [converted(branch, flow, cursor) for branch in step.branches]
    parts = [chained(parts) if parts else None for parts, _ in every]
    flows = [after for _, after in every]
    first = max(flows, key=lambda after: math.prod(after.shape))
    same = all(after.axes == first.axes for after in flows)
    cursor.expect(node, same and all(after.order is None for after in flows), TEXT["join"])
    if node.op == "Mul":
        return [_product(node, parts, flows, cursor)], first
    if node.op == "Concat":
        axis = node.attributes.get("axis", 1)
        cursor.expect(node, first.axes[axis] == len(first.shape), "expected the last axis")
        net, first = _side_by_side(parts, "concat"), first
        width = sum(after.shape[-1] for after in flows)
        return [net], replace(first, shape=(*first.shape[:-1], width))
    cursor.expect(node, all(after.shape == first.shape for after in flows), TEXT["join"])
    if len(parts) == 2 and sum(part is None for part in parts) == 1:
        (body,) = (part for part in parts if part is not None)
        return [_composed(Residual(body.net), [("body", body)])], first
    return [_side_by_side(parts, "add")], first


def _side_by_side(parts: list[Part | None], combine: str) -> Part:
    some = [part or Part(Chain()) for part in parts]
    return _composed(Parallel(*(part.net for part in some), combine=combine), enumerate(some))


def _product(node: Operation, parts: list[Part | None], flows: list[Flow], cursor: Cursor) -> Part:
    if len(parts) == 2 and sum(part is None for part in parts) == 1:
        i = 0 if parts[1] is None else 1
        body = parts[i]
        assert body is not None
        if isinstance(body.net, Sigmoid):
            return Part(SiLU())
        return _composed(Gate(_squeezed(body.net, flows[i], flows[1 - i])), [("body", body)])
    cursor.expect(node, len(parts) == 2 and flows[0].shape == flows[1].shape, TEXT["join"])
    left, right = (part or Part(Chain()) for part in parts)
    return _composed(Product(left.net, right.net), [("left", left), ("right", right)])


def _squeezed(net: Map, inner: Flow, outer: Flow) -> Map:
    """Return a gate's body; without the positions where it has one number for all of them."""
    width = outer.shape[-1:]
    if inner.shape == outer.shape or not isinstance(net, Chain):
        return net
    from pullback.maps import Reshape

    return Chain(*net.maps, Reshape(width))


def positions(flow: Flow) -> Iterator[int]:
    """Yield our axes of positions: neither examples nor features."""
    yield from range(1, len(flow.shape))
