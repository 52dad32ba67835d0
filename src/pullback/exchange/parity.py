"""Two models on one batch: in what their parameters, outputs and gradients differ, map by map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.map import Map, Params
from pullback.core.random import generator
from pullback.core.tap import tap
from pullback.core.tree import leaves
from pullback.maps import Embedding
from pullback.train import html
from pullback.train.model import Model
from pullback.train.sweep.table import aligned

EXAMPLES = 8
HEADINGS = ("map", "", "parameters", "output", "gradient")
TEXT = {
    "whole": "all",
    "about": "largest differences, each divided by the largest number of the first model there; "
    "{n} examples",
    "maps": "the models differ in their maps: place {place} is {one} in the first and {other} in "
    "the second; expected the same architecture",
    "shape": "the models differ in their parameters: {name} is {one} in the first and {other} in "
    "the second; expected the same architecture",
    "input": "the models take examples of different shapes, {one} and {other}",
    "dtype": "the models have parameters of {one} and {other}; expected one dtype",
    "none": "no map",
}


@dataclass(frozen=True)
class Row:
    """The differences at a map; ``parameters`` and ``gradient`` are None where it has none."""

    path: str
    title: str
    parameters: float | None
    output: float
    gradient: float | None


@dataclass(frozen=True)
class Parity:
    """The differences of two models by map, in the order of values, and of the whole.

    Each is the largest difference of two arrays divided by the largest number in the first: of
    parameters (and state), of outputs, and of gradients of the parameters, by a cotangent of the
    outputs that is drawn at random. ``whole`` has the model's outputs, and all parameters and
    gradients as one vector.
    """

    rows: tuple[Row, ...]
    whole: Row
    examples: int

    def cells(self) -> list[list[str]]:
        """Return the table, the names of the columns first."""
        return [list(HEADINGS), *(_cells(row) for row in (*self.rows, self.whole))]

    def __str__(self) -> str:
        return "\n".join([*aligned(self.cells()), TEXT["about"].format(n=self.examples)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *rows = self.cells()
        return html.table(head, rows) + html.paragraph(TEXT["about"].format(n=self.examples))

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return asdict(self)


def parity(a: Model, b: Model, x: Any = None, *, seed: int = 0) -> Parity:
    """Compare two models of the same architecture on a batch, as they are after training.

    Args:
        a: the model that the other is measured by.
        b: the other model.
        x: raw examples; None: eight inputs of the networks, drawn from the normal distribution
            or, where they go to an ``Embedding``, of its symbols.
        seed: of what is drawn, the batch and the cotangent of the outputs.

    Raises:
        ShapeError: the models differ in their maps, parameters or input.
        ConfigError: the models have parameters of different dtypes.
    """
    _check_alike(a, b)
    rng = generator(seed, "parity")
    ours = drawn(a, rng) if x is None else a.normalizer.apply(np.asarray(x), a.spec.dtype)
    others = ours if x is None else b.normalizer.apply(np.asarray(x), b.spec.dtype)
    one, other = _Heard(), _Heard()
    y, delta_of = _forward(a, ours, one)
    other_y, other_delta_of = _forward(b, others, other)
    gy = rng.standard_normal(y.shape).astype(y.dtype)
    delta_of(gy)
    other_delta_of(gy)
    rows = tuple(_row(a, b, pair) for pair in zip(one.seen(), other.seen(), strict=True))
    gradients = [np.concatenate([*map(np.ravel, h.all_gradients()), [0.0]]) for h in (one, other)]
    whole = Row(
        TEXT["whole"], "", relative(a.theta.flat, b.theta.flat), relative(y, other_y),
        relative(*gradients),
    )  # fmt: skip
    return Parity(rows, whole, len(ours))


def relative(a: Any, b: Any) -> float:
    """Return the largest difference, divided by the largest of ``a`` where that is not 0."""
    if not a.size:
        return 0.0
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    largest, scale = np.abs(a - b).max(), np.abs(a).max()
    return float(largest / scale if scale else largest)


def drawn(model: Model, rng: np.random.Generator) -> np.ndarray:
    """Return a batch of the network's input: symbols for an ``Embedding``, else numbers."""
    shape, first = (EXAMPLES, *model.spec.shape), model.net
    while first.children():
        first = next(iter(first.children().values()))
    if isinstance(first, Embedding):
        return rng.integers(0, first.count, shape).astype(model.spec.dtype)
    return rng.standard_normal(shape).astype(model.spec.dtype)


def _check_alike(a: Model, b: Model) -> None:
    if a.input.shape != b.input.shape:
        raise ShapeError(TEXT["input"].format(one=a.input.shape, other=b.input.shape))
    ours, others = list(_titles(a.net)), list(_titles(b.net))
    for place in range(max(len(ours), len(others))):
        one, other = (t[place] if place < len(t) else TEXT["none"] for t in (ours, others))
        if one != other:
            raise ShapeError(TEXT["maps"].format(place=place, one=one, other=other))
    for entry, theirs in zip(a.theta.layout.entries, b.theta.layout.entries, strict=True):
        if entry.shape != theirs.shape:
            text = TEXT["shape"].format(name=entry.name, one=entry.shape, other=theirs.shape)
            raise ShapeError(text)
    if a.spec.dtype != b.spec.dtype:
        raise ConfigError(TEXT["dtype"].format(one=a.spec.dtype, other=b.spec.dtype))


def _titles(net: Map) -> Any:
    yield net.title
    for child in net.children().values():
        yield from _titles(child)


class _Heard:
    """A listener that keeps, by path, a map with its parameters, output and gradients."""

    def __init__(self) -> None:
        self.outputs: dict[str, tuple[Map, Params, Any]] = {}
        self.gradients: dict[str, dict[str, np.ndarray]] = {}

    def forward(self, path: str, net: Map, p: Params, x: Any, y: Any) -> None:
        """Keep what a map has made."""
        self.outputs[path] = (net, p, y)

    def backward(self, path: str, net: Map, p: Params, gy: Any, gx: Any, grads: Any) -> None:
        """Keep the gradients of its parameters."""
        self.gradients[path] = {".".join(place): c.sum() for place, c in leaves(grads)}

    def seen(self) -> list[tuple[str, Map, Params, Any, dict[str, np.ndarray]]]:
        """Return all of it, map by map."""
        return [(path, *made, self.gradients.get(path, {})) for path, made in self.outputs.items()]

    def all_gradients(self) -> list[np.ndarray]:
        """Return the gradients of all maps."""
        return [a for found in self.gradients.values() for a in found.values()]


def _forward(model: Model, x: Any, heard: _Heard) -> tuple[np.ndarray, Any]:
    tapped = tap(model.net, heard)
    y, res = tapped.forward(model.theta, x, Context(state=model.state))
    return y, lambda gy: tapped.pullback(model.theta, res, gy)


def _row(a: Model, b: Model, pair: Any) -> Row:
    (path, net, p, y, gradients), (_, other, q, other_y, other_gradients) = pair
    leaf = not net.children()
    ours = {**p, **_state(a, path)} if leaf else {}
    others = {**q, **_state(b, path)} if leaf and not other.children() else {}
    parameters = [relative(ours[name], others[name]) for name in ours]
    gradient = [relative(g, other_gradients[name]) for name, g in gradients.items()]
    return Row(
        path, net.title, max(parameters, default=None), relative(y, other_y),
        max(gradient, default=None),
    )  # fmt: skip


def _state(model: Model, path: str) -> Mapping[str, Any]:
    found: Any = model.state
    for name in path.split(".") if path else ():
        found = found.get(name, {})
    return dict(found)


def _cells(row: Row) -> list[str]:
    numbers = (row.parameters, row.output, row.gradient)
    return [row.path or "-", row.title, *("" if n is None else f"{n:.1e}" for n in numbers)]
