"""Attention by blocks: the shares of a block of queries and keys stay in the cache.

Only the logarithm of the sum of each query's exponentials is kept; backwards the shares are made of
it again. Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018); Dao and
others, "FlashAttention" (2022), algorithms 1 and 4.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from pullback.engine.kernels.elementary import falling_exp
from pullback.engine.kernels.native import (
    integers,
    item_size,
    largest_of,
    product_of,
    real,
    share,
    total_of,
    vector,
)
from pullback.engine.kernels.tiles import multiply

(
    HEADS, QUERIES, KEYS, WIDTH, CAUSAL, BLOCK, Q_APART, K_APART, K_AT, V_AT, SCRATCH,
    SCRATCH_EACH, SCALE, FIRST,
) = range(1, 15)  # fmt: skip
"""Where the sizes stand: WIDTH numbers of a head; BLOCK queries, and keys, at once. q, k and v are
columns of arrays: rows lie Q_APART, and of k and v K_APART numbers apart, k and v begin at the
columns K_AT and V_AT. Of SCRATCH each part has SCRATCH_EACH bytes."""


@njit(inline="always")
def _turn(x: Any, apart: Any, count: Any, width: Any, block: Any, out: Any, like: Any) -> None:
    """Write ``count`` rows as columns of ``out`` (width, block), and zeros beside them."""
    size = item_size(like)
    for c in range(width):
        source = vector(x + c * size, (count - 1) * apart + 1, like)
        target = vector(out + c * block * size, block, like)
        for j in range(count):
            target[j] = source[j * apart]
        for j in range(count, block):
            target[j] = 0


@njit(inline="always")
def _clear(x: Any, apart: Any, rows: Any, width: Any, like: Any) -> None:
    for i in range(rows):
        row = vector(x + i * apart * item_size(like), width, like)
        for j in range(width):
            row[j] = 0


@njit(inline="always")
def _counted(a: Any, lengths: Any, example: Any) -> Any:
    """Return how many keys an example has."""
    return integers(lengths, example + 1)[example] if lengths else a[KEYS]


@njit(inline="always")
def _seen(a: Any, keys: Any, query: Any, left: Any) -> Any:
    """Return how many of a block's keys from ``left`` on a query sees."""
    end = min(keys, query + 1) if a[CAUSAL] else keys
    return max(0, min(end - left, a[BLOCK]))


def attention_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """Mixtures of each head: arrays of q, k, v, lengths of k or none, y (n, queries, heads width),
    and the logarithms of sums (n, heads, queries).
    """
    size, width, block, scale = item_size(like), a[WIDTH], a[BLOCK], real(a[SCALE])
    first, last = share(a[0] * a[HEADS], part, parts, 1)
    turned = a[SCRATCH] + part * a[SCRATCH_EACH]
    s = turned + width * block * size
    for pair in range(first, last):
        n, head = pair // a[HEADS], pair % a[HEADS]
        q = a[FIRST] + (n * a[QUERIES] * a[Q_APART] + head * width) * size
        of_k = n * a[KEYS] * a[K_APART] + head * width
        k = a[FIRST + 1] + (of_k + a[K_AT]) * size
        v = a[FIRST + 2] + (of_k + a[V_AT]) * size
        y_apart, keys = a[HEADS] * width, _counted(a, a[FIRST + 3], n)
        y = a[FIRST + 4] + (n * a[QUERIES] * y_apart + head * width) * size
        tops = vector(a[FIRST + 5] + pair * a[QUERIES] * size, a[QUERIES], like)
        totals = vector(s + block * block * size, a[QUERIES], like)
        _clear(y, y_apart, a[QUERIES], width, like)
        for i in range(a[QUERIES]):
            tops[i] = -math.inf
            totals[i] = 0
        for left in range(0, keys, block):
            count = min(block, keys - left)
            _turn(k + left * a[K_APART] * size, a[K_APART], count, width, block, turned, like)
            for top in range(left // block * block if a[CAUSAL] else 0, a[QUERIES], block):
                rows = min(block, a[QUERIES] - top)
                multiply(
                    s, block * size, q + top * a[Q_APART] * size, a[Q_APART] * size, size,
                    turned, block * size, rows, width, block, False, like,
                )  # fmt: skip
                for i in range(rows):
                    found = vector(s + i * block * size, block, like)
                    seen = _seen(a, keys, top + i, left)
                    out = vector(y + (top + i) * y_apart * size, width, like)
                    _renew(found, seen, scale, tops, totals, top + i, out)
                multiply(
                    y + top * y_apart * size, y_apart * size, s, block * size, size,
                    v + left * a[K_APART] * size, a[K_APART] * size, rows, count, width, True, like,
                )  # fmt: skip
        for i in range(a[QUERIES]):
            out = vector(y + i * y_apart * size, width, like)
            if totals[i] > 0:
                norm = 1 / totals[i]
                for j in range(width):
                    out[j] *= norm
                tops[i] += math.log(totals[i])


@njit(inline="always")
def _renew(s: Any, seen: Any, scale: Any, tops: Any, totals: Any, i: Any, out: Any) -> None:
    """Make exponentials of a row of scores, and what was summed up before fit to them."""
    number = s.dtype.type
    factor, top = number(scale), tops[i]
    for j in range(seen):
        s[j] *= factor
    largest = largest_of(s[:seen], top)  # NaN is found in the total
    if seen > 0:
        for j in range(seen):
            s[j] = falling_exp(s[j] - largest)
        before = falling_exp(top - largest) if top > -math.inf else number(0)
        tops[i] = largest
        totals[i] = totals[i] * before + number(total_of(s[:seen]))
        if before != 1:
            for j in range(len(out)):
                out[j] *= before
    for j in range(seen, len(s)):
        s[j] = 0


def attention_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """Cotangents of q, k and v: g and y (n, queries, heads width), q, k, v, lengths or none,
    logarithms of sums, gq, gk, gv, which lie as q, k and v do.
    """
    size, width, block, scale = item_size(like), a[WIDTH], a[BLOCK], real(a[SCALE])
    first, last = share(a[0] * a[HEADS], part, parts, 1)
    k_turned = a[SCRATCH] + part * a[SCRATCH_EACH]
    v_turned = k_turned + width * block * size
    s = v_turned + width * block * size
    gs = s + block * block * size
    apart = a[HEADS] * width
    for pair in range(first, last):
        n, head = pair // a[HEADS], pair % a[HEADS]
        of_q = (n * a[QUERIES] * a[Q_APART] + head * width) * size
        of_k = (n * a[KEYS] * a[K_APART] + head * width) * size
        of_y = (n * a[QUERIES] * apart + head * width) * size
        g, y, keys = a[FIRST] + of_y, a[FIRST + 1] + of_y, _counted(a, a[FIRST + 5], n)
        tops = vector(a[FIRST + 6] + pair * a[QUERIES] * size, a[QUERIES], like)
        sums = vector(gs + block * block * size, a[QUERIES], like)
        for i in range(a[QUERIES]):  # of g times y: what the shares' slopes have in common
            offset = i * apart * size
            sums[i] = product_of(vector(g + offset, width, like), vector(y + offset, width, like))
        at_k, at_v = of_k + a[K_AT] * size, of_k + a[V_AT] * size
        _clear(a[FIRST + 7] + of_q, a[Q_APART], a[QUERIES], width, like)
        _clear(a[FIRST + 8] + at_k, a[K_APART], a[KEYS], width, like)
        _clear(a[FIRST + 9] + at_v, a[K_APART], a[KEYS], width, like)
        for left in range(0, keys, block):
            count, below = min(block, keys - left), left * a[K_APART] * size
            k, v = a[FIRST + 3] + at_k + below, a[FIRST + 4] + at_v + below
            _turn(k, a[K_APART], count, width, block, k_turned, like)
            _turn(v, a[K_APART], count, width, block, v_turned, like)
            for top in range(left // block * block if a[CAUSAL] else 0, a[QUERIES], block):
                rows = min(block, a[QUERIES] - top)
                q = a[FIRST + 2] + of_q + top * a[Q_APART] * size
                given = g + top * apart * size
                multiply(
                    s, block * size, q, a[Q_APART] * size, size, k_turned, block * size,
                    rows, width, block, False, like,
                )  # fmt: skip
                multiply(
                    gs, block * size, given, apart * size, size, v_turned, block * size,
                    rows, width, block, False, like,
                )  # fmt: skip
                for i in range(rows):
                    _slopes(
                        vector(s + i * block * size, block, like),
                        vector(gs + i * block * size, block, like),
                        _seen(a, keys, top + i, left), scale, tops[top + i], sums[top + i],
                    )  # fmt: skip
                multiply(
                    a[FIRST + 9] + at_v + below, a[K_APART] * size, s, size, block * size,
                    given, apart * size, count, rows, width, True, like,
                )  # fmt: skip
                multiply(
                    a[FIRST + 8] + at_k + below, a[K_APART] * size, gs, size, block * size,
                    q, a[Q_APART] * size, count, rows, width, True, like,
                )  # fmt: skip
                multiply(
                    a[FIRST + 7] + of_q + top * a[Q_APART] * size, a[Q_APART] * size,
                    gs, block * size, size, k, a[K_APART] * size, rows, count, width, True, like,
                )  # fmt: skip


@njit(inline="always")
def _slopes(s: Any, gs: Any, seen: Any, scale: Any, top: Any, common: Any) -> None:
    """Make a row of scores the shares, and of their cotangents those of the scores."""
    factor = s.dtype.type(scale)
    # whole blocks: of a part of one, the rest would not run in lanes
    for j in range(len(s)):
        z = s[j] * factor - top
        z = z if z <= 0 or z != z else z - z
        s[j] = falling_exp(z) if j < seen else 0
    for j in range(len(s)):
        gs[j] = s[j] * (gs[j] - common) * factor if j < seen else 0
