"""Pullback and pushforward of a map, each held against the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.errors import ShapeError
from pullback.core.map import Map
from pullback.core.theta import Theta, write_gradient


def adjoint_error(net: Map, p: Theta, x: Any, ctx: Context, rng: np.random.Generator) -> float:
    r"""Return how far ``net`` is from the adjoint identity at ``(p, x, ctx)``.

    For all directions :math:`dx, dp` and cotangents :math:`g_y`,

    .. math:: \langle g_y, J_x dx + J_p dp \rangle = \langle J_x^T g_y, dx \rangle
              + \langle J_p^T g_y, dp \rangle

    with the left side from ``pushforward`` and the right side from ``pullback`` and ``grads``.
    The difference of the sides is divided by :math:`\|g_y\| \|dy\| + \|g_x\| \|dx\| + \|g_p\|
    \|dp\|`, so that a small product of large vectors is not an error. In float64 a right map
    stays below 1e-13 or so; a wrong slope, sign or axis gives about 0.01 to 1.

    Args:
        net: the map.
        p: its parameters.
        x: a batch, one array or a tuple of arrays.
        ctx: the circumstances; the same are used throughout.
        rng: draws the directions and the cotangent from the standard normal distribution.

    Raises:
        ShapeError: a gradient is not declared, or a result has not the shape of its counterpart.

    Source: Griewank and Walther, "Evaluating Derivatives" (2008), section 3.2.

    >>> from pullback.core.map import init
    >>> from pullback.maps import Linear
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((3, 4))
    >>> p, _ = init(Linear(2), x, dtype="float64")
    >>> adjoint_error(Linear(2), p, x, Context(), rng) < 1e-12
    True
    """
    y, res = net.forward(p, x, ctx)
    gy, dx = _drawn(rng, y), _drawn(rng, x)
    dp = p.layout.view(_drawn(rng, p.flat))
    gx, delta = net.pullback(p, res, gy)
    gradient = p.layout.view(np.zeros_like(p.flat))
    write_gradient(net.grads(p, res, delta), gradient)
    dy = net.pushforward(p, res, dp, dx)
    sides = _dot(gy, dy) - _dot(gx, dx) - _dot(gradient.flat, dp.flat)
    scale = _norms(gy, dy) + _norms(gx, dx) + _norms(gradient.flat, dp.flat)
    return abs(sides) / scale if scale else abs(sides)


def _drawn(rng: np.random.Generator, like: Any) -> Any:
    if isinstance(like, tuple):
        return tuple(_drawn(rng, part) for part in like)
    return rng.standard_normal(like.shape).astype(like.dtype)


def _dot(a: Any, b: Any) -> float:
    if isinstance(a, tuple):
        return sum(_dot(left, right) for left, right in zip(a, b, strict=True))
    if a.shape != b.shape:  # the product would broadcast, and hide a wrong shape
        raise ShapeError(f"a vector of shape {b.shape} is paired with one of shape {a.shape}")
    return float(np.sum(a * b))


def _norms(a: Any, b: Any) -> float:
    return math.sqrt(_dot(a, a) * _dot(b, b))
