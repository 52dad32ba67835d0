"""Sums over a vector, each part's in float64."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from pullback.engine.kernels.native import item_size, reals, share, store, total_of, vector
from pullback.engine.kernels.updates import UNIT

BLOCK = 2048
"""Squares that are added up in the type of the numbers: more would cost float32 its digits."""


@njit(fastmath={"reassoc"})  # in any order, so that it runs in lanes; what is not finite shows
def squares_of(x: Any) -> Any:
    """Return the sum of the squares."""
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += x[i] * x[i]
    return total


def guard(a: Any, part: Any, parts: Any, like: Any) -> None:
    """Write 1 to ``halt`` where the sum of the squares of x is not finite."""
    start, stop = share(a[0], part, parts, UNIT)
    if not math.isfinite(squares_of(vector(a[1] + start * item_size(like), stop - start, like))):
        store(a[2], 1)


def sum_of_all(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``s[part] = sum x``."""
    start, stop = share(a[0], part, parts, UNIT)
    reals(a[2], parts)[part] = total_of(vector(a[1] + start * item_size(like), stop - start, like))


def sum_of_squares(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``s[part] = sum x^2``, of ``BLOCK`` numbers at a time in the type of x."""
    start, stop = share(a[0], part, parts, UNIT)
    total = 0.0
    for first in range(start, stop, BLOCK):
        count = min(BLOCK, stop - first)
        total += float(squares_of(vector(a[1] + first * item_size(like), count, like)))
    reals(a[2], parts)[part] = total


def add_moments(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``m += (n sum_n q[n], sum_part s[part], n, 1)``: q (n), s (terms) and m (4) float64."""
    n, terms = a[0], a[1]
    s, m = reals(a[3], terms), reals(a[4], 4)
    m[0] += n * total_of(vector(a[2], n, like))
    for t in range(terms):
        m[1] += s[t]
    m[2] += n
    m[3] += 1
