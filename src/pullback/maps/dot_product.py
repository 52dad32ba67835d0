r"""Scaled dot-product attention of heads, its pullback and its pushforward; and turned vectors.

For one head, with queries ``q (T, D)``, keys ``k (S, D)`` and values ``v (S, D)``:
:math:`s = q k^T / \sqrt{D}`, :math:`a = \mathrm{softmax}(s)` over the keys that may be seen, and
:math:`y = a v`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pullback.core.arrays import as_array_like, count_up, namespace
from pullback.maps.steps import own_steps

ROTARY_BASE = 10_000.0
"""The slowest turn takes so many steps times 2 pi."""


def visible(queries: int, keys: int, causal: bool, lengths: Any, like: Any, done: int = 0) -> Any:
    """Return which keys a query may see, ``(N or 1, 1, queries, keys)``; None: all of them.

    ``causal``: none after itself, with ``done`` keys before the first query. ``lengths``: none
    beyond the end of the keys' sequence.
    """
    seen = None
    if causal:
        whole = namespace(like).int64
        order = count_up(keys, like, whole) <= done + count_up(queries, like, whole)[:, None]
        seen = order[None, None]
    if lengths is not None:
        own = own_steps(lengths, keys)[:, None, None, :]
        seen = own if seen is None else seen & own
    return seen


def attend(q: Any, k: Any, v: Any, seen: Any) -> tuple[Any, Any]:
    """Return the mixed values ``(N, heads, T, D)``, and the shares ``(N, heads, T, S)``.

    A query that may see nothing gets 0.
    """
    xp = namespace(q)
    s = xp.matmul(q, _turned(k)) / math.sqrt(q.shape[-1])
    if seen is None:
        e = xp.exp(s - xp.max(s, axis=-1, keepdims=True))
        return _shared_out(e, v)
    nothing = xp.zeros_like(s)
    top = xp.max(xp.where(seen, s, nothing - math.inf), axis=-1, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    # the exponent of a score that does not count could overflow
    e = xp.where(seen, xp.exp(xp.where(seen, s - top, nothing)), nothing)
    return _shared_out(e, v)


def _shared_out(e: Any, v: Any) -> tuple[Any, Any]:
    xp = namespace(e)
    total = xp.sum(e, axis=-1, keepdims=True)
    a = e / xp.where(total == 0, xp.ones_like(total), total)
    return xp.matmul(a, v), a


def attend_pullback(q: Any, k: Any, v: Any, a: Any, gy: Any) -> tuple[Any, Any, Any]:
    """Return the cotangents of ``q``, ``k`` and ``v``."""
    xp = namespace(gy)
    gs = _softmax_slope(a, xp.matmul(gy, _turned(v))) / math.sqrt(q.shape[-1])
    return xp.matmul(gs, k), xp.matmul(_turned(gs), q), xp.matmul(_turned(a), gy)


def attend_pushforward(q: Any, k: Any, v: Any, a: Any, d: tuple[Any, Any, Any]) -> Any:
    """Return the change of the mixed values for changes ``d`` of ``q``, ``k`` and ``v``."""
    (dq, dk, dv), xp = d, namespace(q)
    ds = (xp.matmul(dq, _turned(k)) + xp.matmul(q, _turned(dk))) / math.sqrt(q.shape[-1])
    return xp.matmul(_softmax_slope(a, ds), v) + xp.matmul(a, dv)


def _softmax_slope(a: Any, v: Any) -> Any:
    """Return the Jacobian of the softmax, which is symmetric, times ``v``."""
    return a * (v - namespace(v).sum(a * v, axis=-1, keepdims=True))


def _turned(a: Any) -> Any:
    return namespace(a).permute_dims(a, (0, 1, 3, 2))


def split_heads(x: Any, heads: int) -> Any:
    """Return ``(N, T, C)`` as ``(N, heads, T, C / heads)``."""
    n, steps, width = x.shape
    parts = x.reshape((n, steps, heads, width // heads))
    return namespace(x).permute_dims(parts, (0, 2, 1, 3))


def joined_heads(x: Any) -> Any:
    """Return ``(N, heads, T, D)`` as ``(N, T, heads D)``, the inverse of ``split_heads``."""
    n, heads, steps, size = x.shape
    return namespace(x).permute_dims(x, (0, 2, 1, 3)).reshape((n, steps, heads * size))


def rotated(x: Any, backwards: bool = False, done: int = 0) -> Any:
    r"""Return ``x (..., T, D)`` with each pair of numbers turned by its step times its own angle.

    Pair ``i`` of step ``t`` by :math:`t \, 10000^{-2i/D}`, so that the product of a query and a key
    depends on their distance. Su and others, "RoFormer" (2021), section 3.2.2. A turn backwards is
    the inverse and the adjoint. The first step is number ``done``.
    """
    xp, (steps, size) = namespace(x), x.shape[-2:]
    speed = ROTARY_BASE ** (-2.0 * np.arange(size // 2) / size)
    angle = np.arange(done, done + steps)[:, None] * (-speed if backwards else speed)
    cos, sin = as_array_like(np.cos(angle), x), as_array_like(np.sin(angle), x)
    pairs = x.reshape((*x.shape[:-1], size // 2, 2))
    one, two = pairs[..., 0], pairs[..., 1]
    turned = xp.stack([one * cos - two * sin, one * sin + two * cos], axis=-1)
    return turned.reshape(x.shape)
