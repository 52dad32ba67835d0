"""Normalisation: over the features row by row, and over the batch column by column.

Sums are taken in float64, in which equal float32 numbers add up without loss. Over the batch every
part has sums of its rows, and whoever needs the total adds them up.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from pullback.engine.kernels.dense import LINE, RELU
from pullback.engine.kernels.native import (
    item_size,
    product_of,
    real,
    reals,
    share,
    total_of,
    vector,
)

ROOM = 4
"""Times ``wide`` numbers that a part has of room in normalising over the batch."""


def layer_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = gamma h + beta``, h each row of x centred and over sigma: x, h, y (n, k), sigma (n)."""
    n, k, eps = a[0], a[1], real(a[2])
    size = item_size(like)
    gamma, beta, sigmas = vector(a[4], k, like), vector(a[5], k, like), vector(a[8], n, like)
    start, stop = share(n, part, parts, LINE)
    for i in range(start, stop):
        row = i * k * size
        x, y, h = (
            vector(a[3] + row, k, like),
            vector(a[6] + row, k, like),
            vector(a[7] + row, k, like),
        )
        number = x.dtype.type
        mean = number(total_of(x) / k)
        for j in range(k):
            h[j] = x[j] - mean
        rest = number(total_of(h) / k)
        for j in range(k):
            h[j] -= rest
        sigma = number(math.sqrt(product_of(h, h) / k + eps))
        sigmas[i] = sigma
        for j in range(k):
            h[j] /= sigma
            y[j] = gamma[j] * h[j] + beta[j]


def layer_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gx = (gh - mean gh - h mean(gh h)) / sigma``, ``gh = gamma gy``, in each row."""
    n, k, size = a[0], a[1], item_size(like)
    gamma, sigmas = vector(a[3], k, like), vector(a[5], n, like)
    start, stop = share(n, part, parts, LINE)
    for i in range(start, stop):
        row = i * k * size
        gy, h = vector(a[2] + row, k, like), vector(a[4] + row, k, like)
        gx = vector(a[6] + row, k, like)
        number = gx.dtype.type
        for j in range(k):
            gx[j] = gamma[j] * gy[j]
        mean, slope, sigma = number(total_of(gx) / k), number(product_of(gx, h) / k), sigmas[i]
        for j in range(k):
            gx[j] = (gx[j] - mean - slope * h[j]) / sigma


def batch_sums(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``s[part] = sum (x - x0), sum (x - x0)^2`` over a part's rows: x (n, k), s (parts, 2, wide).

    x0 is the first row: equal rows have sums of exactly 0, and others lose few digits. Rows are
    taken as many at a time as make ``wide`` numbers; the sums are the first ``k`` of each kind.
    """
    n, k, wide, size = a[0], a[1], a[2], item_size(like)
    start, stop = share(n, part, parts, 1)
    s, first = a[4] + part * 16 * wide, vector(a[5] + part * ROOM * wide * size, wide, like)
    one, two = reals(s, wide), reals(s + 8 * wide, wide)
    _repeat(a[3], first, k, like)
    for j in range(wide):
        one[j] = two[j] = 0
    for i in range(start, stop, wide // k):
        rows = vector(a[3] + i * k * size, min(wide, (stop - i) * k), like)
        for j in range(len(rows)):
            gap = float(rows[j]) - float(first[j])
            one[j] += gap
            two[j] += gap * gap
    _fold(one, k)
    _fold(two, k)


@njit(inline="always")
def _repeat(source: Any, target: Any, k: Any, like: Any) -> None:
    """Fill ``target`` with the ``k`` numbers of ``source``, again and again."""
    numbers = vector(source, k, like)
    for left in range(0, len(target), k):
        for j in range(k):
            target[left + j] = numbers[j]


@njit(inline="always")
def _fold(sums: Any, k: Any) -> None:
    """Add everything to the first ``k``."""
    for left in range(k, len(sums), k):
        for j in range(k):
            sums[j] += sums[left + j]


@njit(inline="always")
def _total(s: Any, terms: Any, wide: Any, j: Any) -> Any:
    """Return the sums over the parts of column ``j``, of both kinds."""
    one = two = 0.0
    for t in range(terms):
        both = reals(s + t * 16 * wide, 2 * wide)
        one += both[j]
        two += both[wide + j]
    return one, two


def batch_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``y = act(gamma h + beta)``, h the columns of x centred and over sigma.

    x (n, k), s of ``batch_sums``, gamma, beta, y (n, k), ``seen`` (4, k): mean, unbiased variance,
    sigma, and what the mean of large numbers loses in rounding. ``h`` is not kept: backwards it is
    made of ``x`` again, which costs less than the memory.
    """
    n, k, wide, terms, act, eps = a[0], a[1], a[2], a[3], a[4], real(a[5])
    size = item_size(like)
    x, gamma, beta = a[6], vector(a[8], k, like), vector(a[9], k, like)
    room, first = a[12] + part * ROOM * wide * size, vector(x, k, like)
    mean, factor, shift = (
        vector(room, wide, like),
        vector(room + wide * size, wide, like),
        vector(room + 2 * wide * size, wide, like),
    )
    seen = vector(a[11], 4 * k, like)
    for j in range(k):
        one, two = _total(a[7], terms, wide, j)
        variance = max(0.0, two / n - (one / n) * (one / n))
        exact = float(first[j]) + one / n
        mean[j] = exact
        rest = exact - float(mean[j])
        sigma = math.sqrt(variance + eps)
        factor[j] = gamma[j] / sigma
        shift[j] = beta[j] - rest * gamma[j] / sigma
        if part == 0:
            seen[j], seen[k + j] = mean[j], variance * n / (n - 1)
            seen[2 * k + j], seen[3 * k + j] = sigma, rest
    _repeat(room, mean, k, like)
    _repeat(room + wide * size, factor, k, like)
    _repeat(room + 2 * wide * size, shift, k, like)
    start, stop = share(n, part, parts, 1)
    for i in range(start, stop, wide // k):
        count = min(wide, (stop - i) * k)
        source, y = vector(x + i * k * size, count, like), vector(a[10] + i * k * size, count, like)
        if act == RELU:
            for j in range(count):
                value = (source[j] - mean[j]) * factor[j] + shift[j]
                y[j] = 0 if value <= 0 else value
        else:
            for j in range(count):
                y[j] = (source[j] - mean[j]) * factor[j] + shift[j]


def batch_back_sums(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``s[part] = sum gy, sum gy h`` over a part's rows: gy, x (n, k), seen, s (parts, 2, wide)."""
    n, k, wide, size = a[0], a[1], a[2], item_size(like)
    start, stop = share(n, part, parts, 1)
    s, mean = a[6] + part * 16 * wide, vector(a[7] + part * ROOM * wide * size, wide, like)
    one, two, seen = reals(s, wide), reals(s + 8 * wide, wide), vector(a[5], 4 * k, like)
    _repeat(a[5], mean, k, like)
    for j in range(wide):
        one[j] = two[j] = 0
    for i in range(start, stop, wide // k):
        count, row = min(wide, (stop - i) * k), i * k * size
        gy, x = vector(a[3] + row, count, like), vector(a[4] + row, count, like)
        for j in range(count):
            given = float(gy[j])
            one[j] += given
            two[j] += given * float(x[j] - mean[j])
    _fold(one, k)
    _fold(two, k)
    for j in range(k):
        two[j] = (two[j] - one[j] * seen[3 * k + j]) / seen[2 * k + j]


def batch_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gx = gamma (gy - mean gy - h mean(gy h)) / sigma``, in each column.

    gy (n, k), s of ``batch_back_sums``, gamma, x (n, k), seen, gx (n, k).
    """
    n, k, wide, terms, size = a[0], a[1], a[2], a[3], item_size(like)
    gamma, seen = vector(a[6], k, like), vector(a[8], 4 * k, like)
    room = a[10] + part * ROOM * wide * size
    mean, factor, slope, shift = (
        vector(room, wide, like),
        vector(room + wide * size, wide, like),
        vector(room + 2 * wide * size, wide, like),
        vector(room + 3 * wide * size, wide, like),
    )
    for j in range(k):
        one, two = _total(a[5], terms, wide, j)
        sigma = float(seen[2 * k + j])
        mean[j], factor[j] = seen[j], gamma[j] / sigma
        slope[j] = -gamma[j] / sigma * (two / n) / sigma
        shift[j] = -gamma[j] / sigma * (one / n - (two / n) * seen[3 * k + j] / sigma)
    for i in range(ROOM):
        _repeat(room + i * wide * size, vector(room + i * wide * size, wide, like), k, like)
    start, stop = share(n, part, parts, 1)
    for i in range(start, stop, wide // k):
        count, row = min(wide, (stop - i) * k), i * k * size
        gy, x = vector(a[4] + row, count, like), vector(a[7] + row, count, like)
        gx = vector(a[9] + row, count, like)
        for j in range(count):
            gx[j] = factor[j] * gy[j] + (slope[j] * (x[j] - mean[j]) + shift[j])


def batch_gradients(a: Any, part: Any, parts: Any, like: Any) -> None:
    """One kind of sum over the parts: s of ``batch_back_sums``, out (k); 0: ``gy``, 1: ``gy h``."""
    k, wide, terms, kind = a[0], a[1], a[2], a[3]
    out = vector(a[5], k, like)
    for j in range(k):
        both = _total(a[4], terms, wide, j)
        out[j] = both[1] if kind else both[0]


def scale_sums(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gamma = sum_n d h``: d and h (n, k), gamma (k)."""
    n, k, size = a[0], a[1], item_size(like)
    left, right = share(k, part, parts, LINE)
    columns, offset = right - left, left * size
    out = vector(a[4] + offset, columns, like)
    for j in range(columns):
        out[j] = 0
    for i in range(n):
        row = i * k * size + offset
        d, h = vector(a[2] + row, columns, like), vector(a[3] + row, columns, like)
        for j in range(columns):
            out[j] += d[j] * h[j]
