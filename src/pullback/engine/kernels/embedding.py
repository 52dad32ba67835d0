"""Rows of a table: looked up, and added up where they were looked up."""

from __future__ import annotations

from typing import Any

from pullback.engine.kernels.dense import LINE
from pullback.engine.kernels.native import integers, item_size, share, vector


def rows_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y[i] = E[ids[i]]``, 0 for ids below 0: ids (n), E (count, k), y (n, k)."""
    n, k, size = a[0], a[1], item_size(like)
    ids = integers(a[2], n)
    first, last = share(n, part, parts, 1)
    for i in range(first, last):
        y, place = vector(a[4] + i * k * size, k, like), max(ids[i], 0)
        row, number = vector(a[3] + place * k * size, k, like), y.dtype.type
        there = number(1 if ids[i] >= 0 else 0)
        for j in range(k):
            y[j] = there * row[j]


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
