"""The gradient receipt: every tensor of a network, with its loss, checked on a batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.check.jacobian import COMPLEX, DIFFERENCES
from pullback.check.mistakes import describe_factor
from pullback.check.report import Finding, Report
from pullback.core.analytic import analytic
from pullback.core.context import Context
from pullback.core.map import Map
from pullback.core.random import generator
from pullback.core.theta import Entry, Theta
from pullback.core.tree import map_leaves
from pullback.losses.base import Loss, mean_weights, term_weights
from pullback.losses.gradient import forward_error_backward

BOUNDS = {COMPLEX: 1e-9, DIFFERENCES: 1e-5}
WHOLE = 12
"""Tensors of at most so many numbers are checked in every one of them."""
LEAST = 1e-4
"""A tensor whose gradient is this much smaller than the whole is measured by the whole: that of a
bias before batch normalisation is 0, and what is found is rounding."""
LARGEST, RANDOM, DIRECTIONS = 4, 4, 2
"""How many numbers of larger tensors are checked, and along how many random directions."""
INPUT = "x"
TEXT = {"title": "gradient receipt: {loss:.6f} mean loss of {n} examples"}


@dataclass(frozen=True)
class Point:
    """A network and its loss at parameters and a batch, in float64: the function and its gradient.

    ``along`` gives the derivative of the mean loss along a direction of all parameters and the
    input; ``gradient`` and ``gx`` are what the pullbacks say.
    """

    net: Map
    loss: Loss
    p: Theta
    x: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None
    ctx: Context

    @classmethod
    def of(
        cls, net: Map, loss: Loss, p: Theta, x: Any, target: Any, ctx: Context, weight: Any = None
    ) -> Point:
        """Return the point in float64."""
        wide = np.float64
        state = map_leaves(lambda a: np.asarray(a, wide), ctx.state)
        if np.asarray(target).dtype.kind == "f":
            target = np.asarray(target, wide)
        return cls(
            net, loss, Theta(p.layout, p.flat.astype(wide)), np.asarray(x, wide),
            np.asarray(target), weight, ctx._replace(state=state),
        )  # fmt: skip

    def value(self, x: Any, flat: Any) -> Any:
        """Return the mean loss, complex where ``x`` or ``flat`` is."""
        y, _ = self.net.forward(Theta(self.p.layout, flat), x, self.ctx)
        values, _ = self.loss.forward(y, self.target)
        weight = term_weights(self.loss, self.target, self.weight)
        return (np.asarray(values) * mean_weights(len(self.x), weight, self.x)).sum()

    def backward(self) -> tuple[Theta, np.ndarray]:
        """Return the gradient of the parameters, and that of the input."""
        gradient = Theta(self.p.layout, np.zeros_like(self.p.flat))
        found = forward_error_backward(
            self.net, self.loss, self.p, self.x, self.target, gradient, self.ctx,
            weight=self.weight,
        )  # fmt: skip
        return gradient, np.asarray(found.gx)

    def by_complex_step(self, dx: np.ndarray, dp: np.ndarray, h: float = 1e-30) -> float:
        """Return the derivative along ``(dx, dp)``, exact to rounding."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            value = self.value(analytic(self.x + 1j * h * dx), analytic(self.p.flat + 1j * h * dp))
        if not np.iscomplexobj(value):
            raise TypeError("the loss is not complex")
        return float(np.imag(value)) / h

    def by_differences(self, dx: np.ndarray, dp: np.ndarray, h: float = 1e-5) -> float:
        """Return the derivative along ``(dx, dp)``; ``h`` is small, for kinks are everywhere."""

        def at(step: float) -> float:
            return float(self.value(self.x + step * dx, self.p.flat + step * dp))

        return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def gradient_receipt(
    net: Map,
    loss: Loss,
    p: Theta,
    x: Any,
    target: Any,
    *,
    ctx: Context | None = None,
    weight: Any = None,
    seed: int = 0,
) -> Report:
    """Check the gradient of the mean loss by every parameter, and by the input.

    In float64, in reference form, on one batch. Tensors of up to 12 numbers are checked in each of
    them; of larger ones the 4 numbers with the largest gradient, 4 at random, and 2 random
    directions of unit length through the whole tensor. Each is compared with the complex step, or,
    where the code cannot take complex numbers, with 5-point differences. An error is relative to
    the derivative, or to the root mean square of the tensor's gradient where that is larger (or to
    a small share of that of the whole gradient).

    Args:
        net: the network.
        loss: its loss.
        p: its parameters.
        x: a batch of its inputs ``(N, ...)``.
        target: their targets.
        ctx: the circumstances; by default those of training, without state.
        weight: ``(N,)`` weights of the examples.
        seed: of the places and directions.

    Returns:
        A report: a row for every tensor, with the norm of its gradient, the worst error and the
        method.

    Raises:
        ShapeError: the parts do not fit together.
    """
    point = Point.of(net, loss, p, x, target, ctx or Context(train=True, seed=seed), weight)
    gradient, gx = point.backward()
    title = TEXT["title"].format(loss=float(point.value(point.x, point.p.flat)), n=len(point.x))
    least = LEAST * _usual(gradient.flat)
    findings = [
        _tensor(point, entry.name, gradient.flat[entry.start : entry.stop], along, least, seed)
        for entry in p.layout.entries
        if not entry.alias
        for along in [_through_parameter(point, entry)]
    ]
    findings.append(_tensor(point, INPUT, gx.reshape(-1), _through_input(point), least, seed))
    return Report(title, tuple(findings))


Along = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From a direction through one tensor to one ``(dx, dp)`` through the input and all parameters."""


def _through_parameter(point: Point, entry: Entry) -> Along:
    def along(d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dp = np.zeros_like(point.p.flat)
        dp[entry.start : entry.stop] = d
        return np.zeros_like(point.x), dp

    return along


def _through_input(point: Point) -> Along:
    return lambda d: (d.reshape(point.x.shape), np.zeros_like(point.p.flat))


def _usual(g: np.ndarray) -> float:
    """Return the root mean square, which is what a derivative along a unit vector is like."""
    return float(np.linalg.norm(g) / max(1.0, g.size**0.5))


def _tensor(
    point: Point, name: str, g: np.ndarray, along: Along, least: float, seed: int
) -> Finding:
    """Check one tensor, by the complex step or else by differences."""
    probes = _probes(g, generator(seed, name, "receipt"))
    found = np.array([float(d @ g) for d in probes])
    scale = max(_usual(g), least)
    method, right = _derivatives(point, [along(d) for d in probes], found, scale)
    error = _worst(found, right, scale)
    note = "" if error <= BOUNDS[method] else describe_factor(found, right, len(point.x))
    return Finding(
        name, f"{len(probes)} derivatives", method, error, BOUNDS[method],
        float(np.linalg.norm(g)), note,
    )  # fmt: skip


def _derivatives(
    point: Point, directions: list[Any], found: np.ndarray, scale: float
) -> tuple[str, np.ndarray]:
    """Return the method, and what the derivatives should be.

    Differences where the code cannot take complex numbers. Where it can and the result is not what
    was found, differences have a say: code may lose the imaginary part on the way.
    """
    try:
        exact = np.array([point.by_complex_step(*d) for d in directions])
    except Exception:
        return DIFFERENCES, np.array([point.by_differences(*d) for d in directions])
    if _worst(found, exact, scale) <= BOUNDS[COMPLEX]:
        return COMPLEX, exact
    rough = np.array([point.by_differences(*d) for d in directions])
    trusted = _worst(exact, rough, scale) <= BOUNDS[DIFFERENCES]
    return (COMPLEX, exact) if trusted else (DIFFERENCES, rough)


def _worst(found: np.ndarray, right: np.ndarray, scale: float) -> float:
    sizes = np.maximum(np.abs(right), scale)
    gaps = np.abs(found - right)
    return float(np.max(np.divide(gaps, sizes, out=gaps.copy(), where=sizes > 0), initial=0.0))


def _probes(g: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the directions through a tensor along which it is checked."""
    if g.size <= WHOLE:
        return list(np.eye(g.size))
    places = [*np.argsort(-np.abs(g), kind="stable")[:LARGEST], *rng.integers(0, g.size, RANDOM)]
    units = []
    for place in places:
        unit = np.zeros(g.size)
        unit[place] = 1.0
        units.append(unit)
    for _ in range(DIRECTIONS):
        d = rng.standard_normal(g.size)
        units.append(d / np.linalg.norm(d))
    return units
