"""Sums over a vector, each part's in float64."""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.native import item_size, reals, share, total_of, vector
from pullback.engine.kernels.updates import UNIT


@njit(fastmath={"reassoc"})  # in any order, so that it runs in lanes; what is not finite shows
def _squares(x: Any) -> Any:
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += x[i] * x[i]
    return total


def sum_of_squares(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``s[part] = sum x^2``, in the type of x: to see whether all is finite."""
    start, stop = share(a[0], part, parts, UNIT)
    reals(a[2], parts)[part] = _squares(vector(a[1] + start * item_size(like), stop - start, like))


def sum_of_all(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``s[part] = sum x``."""
    start, stop = share(a[0], part, parts, UNIT)
    reals(a[2], parts)[part] = total_of(vector(a[1] + start * item_size(like), stop - start, like))
