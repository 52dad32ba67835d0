"""One training step, with every formula and every number: what ``walk`` returns.

The five steps in their order: forward, error, backward, update. The numbers are those of the
reference form, in the dtype that the parameters and the input have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.contraction import Contraction, Place
from pullback.core.map import Map, Params
from pullback.core.tap import tap
from pullback.core.theta import Entry, Theta
from pullback.core.tree import leaves
from pullback.extend import Evidence
from pullback.losses.base import Loss, mean_weights, term_weights
from pullback.losses.gradient import forward_error_backward
from pullback.optim import Optimizer, Segment
from pullback.optim.base import Chained

WHOLE = 24
"""Tensors of at most so many numbers are shown whole, and every entry of their gradient."""
ENTRIES = 3
"""How many entries of larger ones are shown, those of the largest gradient."""
TERMS = 6
"""How many terms of a sum are shown."""
TEXT = {
    "given": "given",
    "forward": "1 forward",
    "error": "2 error",
    "backward": "3 backward",
    "update": "4 update",
    "no_formula": "a function of its own",
    "mean": "L = Σ w ℓ / Σ w, gy = w slope / Σ w",
}


@dataclass(frozen=True)
class Values:
    """A tensor and its name; of a large one, ``places`` are the entries to show."""

    name: str
    array: np.ndarray
    places: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, name: str, array: Any) -> Values:
        """Return a copy of an array with its largest entries."""
        copy = np.array(array)
        return cls(name, copy, largest(copy))


@dataclass(frozen=True)
class Sum:
    """An entry of a gradient with its numbers: ``terms`` are the first of ``count``."""

    name: str
    place: tuple[int, ...]
    total: float
    terms: tuple[tuple[Place, ...], ...]
    count: int


@dataclass(frozen=True)
class Section:
    """A part of the step: one map on the way there or back, the loss, or one parameter's update.

    ``kind`` is ``given``, ``forward``, ``error``, ``backward`` or ``update``; ``path`` and
    ``title`` say whose. ``formulas`` are lines of mathematics, ``values`` the tensors in them, and
    ``sums`` the gradient's entries with numbers put in.
    """

    kind: str
    path: str
    title: str
    formulas: tuple[str, ...]
    values: tuple[Values, ...]
    sums: tuple[Sum, ...] = ()


@dataclass(frozen=True)
class Walk:
    """One step, section by section; printed, a text. ``html()`` is a page, ``to_dict()`` data.

    ``remarks`` are sentences that the forms begin with: where the step was taken.
    """

    sections: tuple[Section, ...]
    remarks: tuple[str, ...] = ()

    def of(self, kind: str) -> tuple[Section, ...]:
        """Return the sections of a kind."""
        return tuple(section for section in self.sections if section.kind == kind)

    def __str__(self) -> str:
        from pullback.train.walk_text import as_text

        return as_text(self)

    def html(self) -> str:
        """Return one page that needs nothing else."""
        from pullback.train.walk_html import as_html

        return as_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON: small tensors whole, large ones by their range."""
        from pullback.train.walk_text import as_data

        return as_data(self)


@dataclass
class Notes:
    """A listener that keeps a section for every map, there and back."""

    there: list[Section] = field(default_factory=list)
    back: list[Section] = field(default_factory=list)

    def forward(self, path: str, net: Map, p: Params, x: Any, y: Any) -> None:
        """Keep what a map has made."""
        parameters = () if net.children() else tuple(_named(p))
        values = (*_inputs("x", x), *parameters, Values.of("y", y))
        self.there.append(Section("forward", path, net.title, _formula(net, 0), values))

    def backward(self, path: str, net: Map, p: Params, gy: Any, gx: Any, grads: Any) -> None:
        """Keep what a map has pulled back, and the gradients that it declares."""
        declared = {".".join(name): contraction for name, contraction in leaves(grads)}
        gradients = [_gradient(name, contraction) for name, contraction in declared.items()]
        lines = [f"g{name}{contraction}" for name, contraction in declared.items()]
        values = (Values.of("gy", gy), *_inputs("gx", gx), *(g for g, _ in gradients))
        sums = tuple(entry for _, found in gradients for entry in found)
        formulas = (*_formula(net, 1), *lines)
        self.back.append(Section("backward", path, net.title, formulas, values, sums))


def _formula(net: Map, which: int) -> tuple[str, ...]:
    return (net.formulas[which] if net.formulas else TEXT["no_formula"],)


def _named(p: Params) -> list[Values]:
    return [Values.of(".".join(path), value) for path, value in leaves(p)]


def _inputs(name: str, x: Any) -> list[Values]:
    if isinstance(x, tuple):
        return [Values.of(f"{name}[{i}]", part) for i, part in enumerate(x)]
    return [Values.of(name, x)]


def largest(array: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Return the places of all entries of a small array, of the largest (or NaN) of another."""
    if array.size <= WHOLE:
        return tuple(np.ndindex(array.shape))
    sizes = np.abs(array.reshape(-1))
    sizes = np.where(np.isnan(sizes), np.inf, sizes)  # floats also of unsigned numbers
    order = np.argsort(-sizes, kind="stable")[:ENTRIES]
    return tuple(tuple(int(i) for i in np.unravel_index(k, array.shape)) for k in order)


def _gradient(name: str, contraction: Contraction) -> tuple[Values, list[Sum]]:
    total = np.array(contraction.sum())
    places = largest(total)
    sums = []
    for place in places:
        terms = tuple(islice(contraction.summands(place), TERMS))
        count = int(np.prod([*_summed_sizes(contraction)]))
        sums.append(Sum(f"g{name}", place, float(total[place]), terms, count))
    return Values.of(f"g{name}", total), sums


def _summed_sizes(contraction: Contraction) -> list[int]:
    sizes: dict[str, int] = {}
    for term, operand in zip(contraction.terms, contraction.operands, strict=True):
        sizes |= dict(zip(term, operand.shape, strict=True))
    return [size for letter, size in sizes.items() if letter not in contraction.output]


def walk(
    net: Map,
    loss: Loss,
    p: Theta,
    x: Any,
    target: Any,
    *,
    optimizer: Optimizer | None = None,
    ctx: Context | None = None,
    weight: Any = None,
    slots: Mapping[str, np.ndarray] | None = None,
) -> Walk:
    """Take one step, and keep every number of it; nothing that is given is changed.

    Args:
        net: the network, in reference form.
        loss: its loss; the step lowers the (weighted) mean over the batch.
        p: the parameters.
        x: a batch of network inputs, usually of one example.
        target: their targets.
        optimizer: the update rule; without one the walk ends with the gradient.
        ctx: the circumstances; by default those of the first step of training, without state.
        weight: ``(N,)`` weights of the examples.
        slots: what the optimiser kept so far; by default what it starts with.

    Raises:
        ShapeError: the parts do not fit together.

    >>> import pullback as pb
    >>> p, _ = pb.init(pb.Linear(1), np.ones((1, 1)), dtype="float64")
    >>> p["W"][:], p["b"][:] = 3.0, 0.5
    >>> loss, sgd = pb.losses.HalfSquaredError(), pb.optim.SGD(0.1)
    >>> step = pb.walk(pb.Linear(1), loss, p, np.array([[2.0]]), np.array([[5.0]]), optimizer=sgd)
    >>> [section.kind for section in step.sections]
    ['given', 'forward', 'error', 'backward', 'update', 'update']
    >>> step.of("update")[0].values[-1].array
    array([[2.7]])
    """
    notes, ctx = Notes(), ctx or Context(train=True)
    gradient = Theta(p.layout, np.zeros_like(p.flat))
    found = forward_error_backward(
        tap(net, notes), loss, p, x, target, gradient, ctx, weight=weight
    )
    given = Section("given", "", "", (), (*_inputs("x", x), Values.of("target", target)))
    error = _error(loss, found.y, target, weight)
    at = None
    if optimizer and optimizer.due(0):
        at = Evidence.of(net, loss, p, x, target, ctx, weight)
    updates = _updates(optimizer, p, gradient, ctx.step, slots, at) if optimizer else []
    return Walk((given, *notes.there, error, *notes.back, *updates))


def _error(loss: Loss, y: Any, target: Any, weight: Any) -> Section:
    values, slope = loss.forward(y, target)
    weights = mean_weights(len(y), term_weights(loss, target, weight), y)
    tensors = (
        Values.of("ℓ", values), Values.of("slope", slope),
        Values.of("L", (values * weights).sum()),
        Values.of("gy", loss.pullback(slope, weights)),
    )  # fmt: skip
    formulas = (*(loss.formulas or (TEXT["no_formula"],)), TEXT["mean"])
    return Section("error", "", type(loss).__name__, formulas, tensors)


def _updates(
    optimizer: Optimizer,
    p: Theta,
    gradient: Theta,
    step: int,
    slots: Mapping[str, np.ndarray] | None,
    at: Evidence | None,
) -> list[Section]:
    entries = [entry for entry in p.layout.entries if not entry.alias]
    segments = tuple(Segment(e.name, e.start, e.stop, e.decay) for e in entries)
    flat = p.flat.copy()
    kept = {name: np.array(value) for name, value in (slots or {}).items()}
    own = optimizer.start(flat, segments)
    if at is not None:
        own |= optimizer.fitted(at)
    own |= kept
    if at is not None and optimizer.due(step):
        optimizer.look(at, own)
    lr = optimizer.update(gradient.flat, own, flat, step)
    rules = optimizer.transforms if isinstance(optimizer, Chained) else (optimizer,)
    formulas = tuple(rule.formula or TEXT["no_formula"] for rule in rules)
    title = ", ".join(type(rule).__name__ for rule in rules)
    return [_update(entry, title, formulas, lr, p.flat, gradient.flat, flat) for entry in entries]


def _update(
    entry: Entry,
    title: str,
    formulas: tuple[str, ...],
    lr: float,
    before: np.ndarray,
    gradient: np.ndarray,
    after: np.ndarray,
) -> Section:
    def part(name: str, flat: np.ndarray) -> Values:
        array = flat[entry.start : entry.stop].reshape(entry.shape).copy()
        return Values(name, array, places)

    places = largest(gradient[entry.start : entry.stop].reshape(entry.shape))
    values = (
        Values.of("η", lr), part("θ", before), part("g", gradient),
        part("step", before - after), part("θ after", after),
    )  # fmt: skip
    return Section("update", entry.name, title, formulas, values)
