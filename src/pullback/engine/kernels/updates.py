"""Updates of the parameters, in one pass over the vectors."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from pullback.engine.kernels.native import integers, item_size, real, share, vector

UNIT = 16
"""Numbers that stay together: a line of the cache of float32."""


@njit(inline="always")
def _piece(a: Any, place: Any, part: Any, parts: Any, like: Any) -> Any:
    """Return this part of the vector whose address is ``a[place]``."""
    start, stop = share(a[0], part, parts, UNIT)
    return vector(a[place] + start * item_size(like), stop - start, like)


def descent(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``theta <- theta - lr g``."""
    theta, g = _piece(a, 2, part, parts, like), _piece(a, 3, part, parts, like)
    lr = g.dtype.type(real(a[1]))
    for i in range(len(g)):
        theta[i] -= lr * g[i]


def momentum(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``v <- mu v + g``, ``theta <- theta - lr v``."""
    theta, g = _piece(a, 3, part, parts, like), _piece(a, 4, part, parts, like)
    v = _piece(a, 5, part, parts, like)
    lr, mu = g.dtype.type(real(a[1])), g.dtype.type(real(a[2]))
    for i in range(len(g)):
        v[i] = mu * v[i] + g[i]
        theta[i] -= lr * v[i]


def nesterov(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``v <- mu v + g``, ``theta <- theta - lr (g + mu v)``."""
    theta, g = _piece(a, 3, part, parts, like), _piece(a, 4, part, parts, like)
    v = _piece(a, 5, part, parts, like)
    lr, mu = g.dtype.type(real(a[1])), g.dtype.type(real(a[2]))
    for i in range(len(g)):
        v[i] = mu * v[i] + g[i]
        theta[i] -= lr * (g[i] + mu * v[i])


def adam(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``m``, ``v`` averages of g and its square, ``theta <- theta - (lr m / (sqrt(v) / c + eps)
    + decay theta)``.

    ``lr`` and ``c`` have the corrections of the start in them. ``runs`` says where decay applies:
    how many rows there are, then for each its start, its stop, and 1 or 0.
    """
    n, lr, scale, eps, beta1, beta2, decay = (
        a[0], real(a[1]), real(a[2]), real(a[3]), real(a[4]), real(a[5]), real(a[6])
    )  # fmt: skip
    start, stop = share(n, part, parts, UNIT)
    rows = integers(a[11], 1)[0]
    runs = integers(a[11], 1 + 3 * rows)
    for row in range(rows):
        first, last = max(start, runs[1 + 3 * row]), min(stop, runs[2 + 3 * row])
        if first >= last:
            continue
        offset = first * item_size(like)
        theta, g = (
            vector(a[7] + offset, last - first, like),
            vector(a[8] + offset, last - first, like),
        )
        m, v = vector(a[9] + offset, last - first, like), vector(a[10] + offset, last - first, like)
        _adam(theta, g, m, v, lr, scale, eps, beta1, beta2, decay * runs[3 + 3 * row])


@njit(inline="always")
def _adam(
    theta: Any, g: Any, m: Any, v: Any,
    lr: Any, scale: Any, eps: Any, beta1: Any, beta2: Any, decay: Any,
) -> None:  # fmt: skip
    number = g.dtype.type
    rate, root, least, pull = number(lr), number(scale), number(eps), number(decay)
    keep1, keep2, new1, new2 = number(beta1), number(beta2), number(1 - beta1), number(1 - beta2)
    for i in range(len(g)):
        m[i] = keep1 * m[i] + new1 * g[i]
        v[i] = keep2 * v[i] + new2 * (g[i] * g[i])
        theta[i] -= rate * (m[i] / (math.sqrt(v[i]) / root + least)) + pull * theta[i]
