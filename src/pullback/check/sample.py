"""A map at a point: what every check of it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.map import Map, init
from pullback.core.random import generator
from pullback.core.spec import Spec, spec_of
from pullback.core.theta import Theta
from pullback.core.tree import dotted, leaves, map_leaves


@dataclass(frozen=True)
class Sample:
    """``net`` at parameters ``p`` and a batch ``x`` of ``n`` examples, with a cotangent ``gy``."""

    net: Map
    p: Theta
    x: Any
    gy: np.ndarray
    ctx: Context
    n: int

    def forward(self, x: Any = None, flat: Any = None) -> tuple[Any, Any]:
        """Apply the map, to another ``x`` or with other parameters where they are given."""
        p = self.p if flat is None else Theta(self.p.layout, flat)
        return self.net.forward(p, self.x if x is None else x, self.ctx)

    def backward(self, gy: np.ndarray | None = None) -> tuple[Any, dict[str, Any]]:
        """Return ``gx``, and the declared contractions by path, of a fresh pass."""
        _, res = self.forward()
        # a copy: a cotangent that is changed is one mistake, and should not look like several
        gx, delta = self.net.pullback(self.p, res, (self.gy if gy is None else gy).copy())
        found = self.net.grads(self.p, res, delta)
        return gx, {dotted(path): contraction for path, contraction in leaves(found)}

    def inputs(self) -> list[tuple[str, np.ndarray]]:
        """Return the input by name: ``x``, or ``x[0]``, ``x[1]``, ... where it is a tuple."""
        return named_inputs(self.x)

    def in_dtype(self, dtype: str) -> Sample:
        """Return the same in another dtype."""
        return replace(
            self,
            p=Theta(self.p.layout, self.p.flat.astype(dtype)),
            x=each_input(lambda a: a.astype(dtype), self.x),
            gy=self.gy.astype(dtype),
            ctx=self.ctx._replace(state=map_leaves(lambda a: a.astype(dtype), self.ctx.state)),
        )


def each_input(change: Callable[[Any], Any], x: Any) -> Any:
    """Return ``x``, one array or a tuple of arrays, with each array changed."""
    return tuple(change(part) for part in x) if isinstance(x, tuple) else change(x)


def named_inputs(x: Any) -> list[tuple[str, Any]]:
    """Return ``x`` by name: ``x``, or ``x[0]``, ``x[1]``, ... where it is a tuple."""
    if isinstance(x, tuple):
        return [(f"x[{i}]", part) for i, part in enumerate(x)]
    return [("x", x)]


def draw(
    net: Map,
    x: Any,
    *,
    batch: int,
    train: bool,
    seed: int,
    p: Theta | None = None,
    state: Mapping[str, Any] | None = None,
) -> Sample:
    """Return ``net`` at a random point, in float64.

    ``x`` is a ``Spec`` (or a tuple of them), for which ``batch`` examples are drawn from the normal
    distribution, or a batch. Parameters are moved away from their start, where biases are zero.

    Raises:
        ShapeError: the map cannot take such an input.
        ConfigError: the map has several outputs.
    """
    rng = generator(seed, "check")
    x = each_input(lambda part: _batch(part, batch, rng), x)
    specs = spec_of(x)
    y = net.spec(specs)
    if isinstance(y, tuple):
        raise ConfigError(f"{net.title} has several outputs; check a map that has one")
    started, own_state = init(net, specs, seed, "float64")
    if p is None:
        p = started
        p.flat[...] += 0.3 * rng.standard_normal(p.flat.shape)
    if state is None:
        state = map_leaves(lambda a: a + rng.uniform(0, 0.5, a.shape), own_state)
    n = len(named_inputs(x)[0][1])
    ctx = Context(train=train, seed=seed, path="check", state=state)
    p = Theta(p.layout, p.flat.astype(np.float64))
    gy = rng.standard_normal(_output_shape(net, p, x, ctx, (n, *y.shape)))
    return Sample(net, p, x, gy, ctx, n)


def _output_shape(
    net: Map, p: Theta, x: Any, ctx: Context, declared: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the shape that the output has, which need not be the declared one."""
    try:
        y, _ = net.forward(p.copy(), each_input(np.copy, x), ctx)
        return np.shape(y)
    except Exception:  # the checks will say it
        return declared


def _batch(x: Any, count: int, rng: np.random.Generator) -> np.ndarray:
    if isinstance(x, Spec):
        return rng.standard_normal((count, *x.shape))
    return np.array(x, np.float64)


def directions(shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield every array of ``shape`` with a single 1; it is changed when the next is asked for."""
    unit = np.zeros(shape)
    for place in np.ndindex(shape):
        unit[place] = 1.0
        yield unit
        unit[place] = 0.0
