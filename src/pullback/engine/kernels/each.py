"""Gradients of the single examples: another kernel done for one example at a time.

The words of these kernels hold those of the other, from ``INNER`` on: its count, its sizes and its
arrays, of which the last is its result. For each example they are copied, the addresses of what has
an example for its first axis are moved on, and the other kernel is called.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.native import (
    block,
    call_kernel,
    integers,
    item_size,
    share,
    vector,
)
from pullback.engine.kernels.reduce import squares_of

CODE, WIDTH, FIRST, FIRST_BYTES, SECOND, SECOND_BYTES = range(1, 7)
"""The other kernel, how many words it has, and for two of its arrays the word and the bytes of an
example; a word of 0 for one that is not there."""
NUMBERS, OWN, OWN_BYTES, ROOM, ROOM_BYTES = range(7, 12)
"""Numbers of its result; a word that holds memory of which each thread has so many bytes; and
memory of these kernels, so many bytes for each thread."""
INNER = 12
UNIT = 16
"""Columns that stay together, as in ``dense``."""


@njit(inline="always")
def _copied(a: Any, part: Any) -> Any:
    """Return where this part's copy of the other kernel's words lies."""
    words = integers(a[ROOM] + part * a[ROOM_BYTES], a[WIDTH])
    for i in range(a[WIDTH]):
        words[i] = a[INNER + i]
    if a[OWN]:
        words[a[OWN]] += part * a[OWN_BYTES]
    return words


@njit(inline="always")
def _do(a: Any, part: Any, words: Any, n: Any, out: Any) -> None:
    """Do the other kernel for example ``n``; its result goes to ``out``."""
    words[a[FIRST]] = a[INNER + a[FIRST]] + n * a[FIRST_BYTES]
    if a[SECOND]:
        words[a[SECOND]] = a[INNER + a[SECOND]] + n * a[SECOND_BYTES]
    words[a[WIDTH] - 1] = out
    call_kernel(a[CODE], a[ROOM] + part * a[ROOM_BYTES], 0, 1)


def each_gradient(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``G[n]`` for every example: the other kernel's result is G (n, numbers)."""
    words, whole = _copied(a, part), a[NUMBERS] * item_size(like)
    first, last = share(a[0], part, parts, 1)
    for n in range(first, last):
        _do(a, part, words, n, a[INNER + a[WIDTH] - 1] + n * whole)


def each_sq_norm(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``q[n] += ||G[n]||^2``, ``s[part] = sum_n G[n]``: s is the other's result; q (n) follows."""
    words, numbers = _copied(a, part), a[NUMBERS]
    formed = a[ROOM] + part * a[ROOM_BYTES] + a[ROOM_BYTES] - numbers * item_size(like)
    total = vector(a[INNER + a[WIDTH] - 1] + part * numbers * item_size(like), numbers, like)
    gradient, q = vector(formed, numbers, like), vector(a[INNER + a[WIDTH]], a[0], like)
    for i in range(numbers):
        total[i] = 0
    first, last = share(a[0], part, parts, 1)
    for n in range(first, last):
        _do(a, part, words, n, formed)
        q[n] += _added(gradient, total)


@njit(fastmath={"reassoc"})  # in any order, so that it runs in lanes
def _added(x: Any, total: Any) -> Any:
    """Add ``x`` to ``total``; return the sum of its squares."""
    squares = x.dtype.type(0)
    for i in range(len(x)):
        squares += x[i] * x[i]
        total[i] += x[i]
    return squares


def row_squares(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``s[part, n] = sum_k x[n, k]^2`` over this part of the columns: x (n, k), s (parts, n)."""
    n, k, size = a[0], a[1], item_size(like)
    first, last = share(k, part, parts, UNIT)
    x, stride = block(a[3], n, k, first, last, a[2], size)
    s = vector(a[4] + part * n * size, n, like)
    for i in range(n):
        s[i] = squares_of(vector(x + i * stride * size, last - first, like))


def row_sq_norms(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``q[n] += ||d[n]||^2 sum_part s[part, n]``; no parts at all count 1: d (n, m), s, q (n)."""
    n, m, terms, size = a[0], a[1], a[2], item_size(like)
    first, last = share(n, part, parts, 1)
    q = vector(a[5], n, like)
    for i in range(first, last):
        factor = vector(a[5], 1, like).dtype.type(0 if terms else 1)
        for t in range(terms):
            factor += vector(a[4] + t * n * size, n, like)[i]
        q[i] += factor * squares_of(vector(a[3] + i * m * size, m, like))


def row_gradient(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``G[n] = x[n]^T d[n]``: d (n, m), x (n, k), G (n, k, m)."""
    n, k, m, size = a[0], a[1], a[2], item_size(like)
    first, last = share(n, part, parts, 1)
    for i in range(first, last):
        d, x = vector(a[3] + i * m * size, m, like), vector(a[4] + i * k * size, k, like)
        for j in range(k):
            out = vector(a[5] + (i * k + j) * m * size, m, like)
            for o in range(m):
                out[o] = x[j] * d[o]


def clear(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``x = 0``: x (n)."""
    x = vector(a[1], a[0], like)
    for i in range(a[0]):
        x[i] = 0
