"""Rows of the data gathered into a batch, and made the network's input on the way.

Each part gathers some columns: the parts of the product that follows are made of them. The data
are bytes, or numbers of the network's type.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.dense import LINE
from pullback.engine.kernels.native import (
    block,
    bytes_at,
    integers,
    item_size,
    prefetch,
    real,
    share,
    vector,
)

AHEAD = 8
"""Rows that are asked for before they are needed, as they lie anywhere in the memory."""


@njit(inline="always")
def _ahead(data: Any, rows: Any, i: Any, length: Any, first: Any, last: Any) -> None:
    """Ask for the bytes ``first`` to ``last`` of a row of ``length`` bytes."""
    if i + AHEAD < len(rows):
        for j in range(first, last, 64):
            prefetch(data + rows[i + AHEAD] * length + j)


@njit(inline="always")
def _normalize(source: Any, out: Any, scale: Any, shift: Any) -> None:
    number = out.dtype.type
    factor, offset = number(scale), number(shift)
    for j in range(len(out)):
        out[j] = number(source[j]) * factor + offset


def gather_bytes(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``x[i] = data[rows[i]] * scale + shift``: data (count, k), rows (n), x (n, k)."""
    n, k, data, rows, size = a[0], a[1], a[5], integers(a[6], a[0]), item_size(like)
    start, stop = share(k, part, parts, LINE)
    x, stride = block(a[7], n, k, start, stop, a[2], size)
    for i in range(n):
        _ahead(data, rows, i, k, start, stop)
        source = bytes_at(data + rows[i] * k + start, stop - start)
        out = vector(x + i * stride * size, stop - start, like)
        _normalize(source, out, real(a[3]), real(a[4]))


def gather_numbers(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gather_bytes`` of numbers."""
    n, k, data, rows, size = a[0], a[1], a[5], integers(a[6], a[0]), item_size(like)
    start, stop = share(k, part, parts, LINE)
    x, stride = block(a[7], n, k, start, stop, a[2], size)
    for i in range(n):
        _ahead(data, rows, i, k * size, start * size, stop * size)
        source = vector(data + (rows[i] * k + start) * size, stop - start, like)
        out = vector(x + i * stride * size, stop - start, like)
        _normalize(source, out, real(a[3]), real(a[4]))


def gather_integers(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``out[i] = data[rows[i]]``, all of 64 bits: rows and out (n)."""
    n = a[0]
    rows, out = integers(a[2], n), integers(a[3], n)
    for i in range(n):
        out[i] = integers(a[1] + rows[i] * 8, 1)[0]
