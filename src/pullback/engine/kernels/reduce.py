"""Sums over a vector, each part's in float64."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from pullback.engine.kernels.native import item_size, reals, share, store, total_of, vector
from pullback.engine.kernels.updates import UNIT


@njit(fastmath={"reassoc"})  # in any order, so that it runs in lanes; what is not finite shows
def _squares(x: Any) -> Any:
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += x[i] * x[i]
    return total


def guard(a: Any, part: Any, parts: Any, like: Any) -> None:
    """Write 1 to ``halt`` where the sum of the squares of x is not finite."""
    start, stop = share(a[0], part, parts, UNIT)
    if not math.isfinite(_squares(vector(a[1] + start * item_size(like), stop - start, like))):
        store(a[2], 1)


def sum_of_all(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``s[part] = sum x``."""
    start, stop = share(a[0], part, parts, UNIT)
    reals(a[2], parts)[part] = total_of(vector(a[1] + start * item_size(like), stop - start, like))
