"""Rows of a table: looked up, and added up where they were looked up."""

from __future__ import annotations

import math
from typing import Any

from numba import float64, njit

from pullback.engine.kernels.dense import LINE
from pullback.engine.kernels.native import integers, item_size, real, share, vector

WHOLE = 2.0**53
"""The first number beyond which not all whole ones are there."""


def rows_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y[i] = E[ids[i]]``, 0 for ids below 0: x and ids (n), E (count, k), y (n, k).

    ``ids`` become the whole numbers that ``x`` are, to within a[3]. What is none, or too large, has
    the id ``count`` and a row of NaN.
    """
    n, k, count, near, size = a[0], a[1], a[2], real(a[3]), item_size(like)
    x, ids = vector(a[4], n, like), integers(a[7], n)
    first, last = share(n, part, parts, 1)
    for i in range(first, last):
        ids[i] = _id_of(float64(x[i]), count, near)
        place = min(max(ids[i], 0), count - 1)
        y, row = vector(a[6] + i * k * size, k, like), vector(a[5] + place * k * size, k, like)
        number = y.dtype.type
        if ids[i] == place:
            for j in range(k):
                y[j] = row[j]
        else:
            rest = number(0 if ids[i] < 0 else math.nan)
            for j in range(k):
                y[j] = rest


@njit(inline="always")
def _id_of(x: Any, count: Any, near: Any) -> Any:
    """Return the whole number that ``x`` is, -1 where it is below 0, ``count`` where it is none."""
    if x <= -1:
        return -1 if x > -WHOLE else count
    found = math.floor(x + 0.5) if abs(x) < count else count
    return found if abs(x - found) < near else count


def rows_total(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``E[v] = sum_i d[i]`` over ``ids[i] = v``: ids (n), d (n, k), E (count, k).

    Every part takes columns of its own, so that no two add to one number.
    """
    n, k, count, size = a[0], a[1], a[2], item_size(like)
    ids = integers(a[3], n)
    left, right = share(k, part, parts, LINE)
    columns, offset = right - left, left * size
    for i in range(count):
        row = vector(a[5] + i * k * size + offset, columns, like)
        for j in range(columns):
            row[j] = 0
    for i in range(n):
        if ids[i] >= 0:
            row = vector(a[5] + ids[i] * k * size + offset, columns, like)
            more = vector(a[4] + i * k * size + offset, columns, like)
            for j in range(columns):
                row[j] += more[j]


def table_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y[i] = x[i] + P``: x (n, k), P (k), y (n, k)."""
    n, k, size = a[0], a[1], item_size(like)
    first, last = share(n, part, parts, 1)
    table = vector(a[3], k, like)
    for i in range(first, last):
        x, y = vector(a[2] + i * k * size, k, like), vector(a[4] + i * k * size, k, like)
        for j in range(k):
            y[j] = x[j] + table[j]
